/**
 * Every command that a document shows, and what the workflows do beside Proxmox, in an order in which it can be run.
 * What is not here stands in docs/README.md, with the reason. The words are those of the documents; what stands for
 * something of the reader's is filled in.
 */

import {
  controlSocket,
  currentName,
  currentVmid,
  expire,
  forgetRegistry,
  leaveAPullRequest,
  makeSshKey,
  owner,
  packageOfTheModule,
  prepare,
  sign,
  ssh,
  useImagesOfTheLab,
  useTheChain,
  useTheNewKey,
  variablesOfTheRunner,
  writeFaults,
  writePredecessor,
} from './preparations.mts'
import type { Site } from './site.mts'

export interface Step {
  /** A command as it is shown anywhere; or, with `page`, the beginning of a block of it, which is run whole. */
  text: string
  page?: string
  /** Of `.github/workflows/`: its step with this command in it is run whole. */
  workflow?: string
  /** Default 0. */
  code?: number
  /** What it must print, on either stream. */
  says?: string | RegExp
  env?: (site: Site) => Promise<Record<string, string>>
  /** What is to be there, or is to be said, first. */
  before?: (site: Site) => Promise<unknown>
  /** What stands in the text for something of the reader's, and what it is here. */
  fill?: Record<string, string | ((site: Site) => Promise<string>)>
  /** It stays in the foreground: the next step begins when it has printed what it must. */
  stays?: true
}

export interface Scene {
  title: string
  steps: Step[]
}

type More = Omit<Step, 'text' | 'page' | 'workflow' | 'says'>

const run = (text: string, says?: Step['says'], more: More = {}): Step => ({
  text,
  ...(says !== undefined && { says }),
  ...more,
})
const block = (page: string, text: string, says?: Step['says'], more: More = {}): Step => ({
  ...run(text, says, more),
  page,
})

const workflow = (file: string, text: string, says: Step['says'], more: More = {}): Step => ({
  ...run(text, says, more),
  workflow: file,
})

const wallet = { '0x...': owner.address }

export const scenes: Scene[] = [
  {
    title: 'credentials and privileges',
    steps: [
      run('zx scripts/setup.mts', 'sops'),
      block('README.md', 'zx scripts/credentials.mts init', 'Proxmox VE 9'),
      block('docs/credentials.md', 'export PATH='),
      run('zx scripts/check-permissions.mts', 'nothing is missing'),
      run('zx scripts/check-permissions.mts --save permissions.json'),
      run(
        "zx scripts/check-permissions.mts --from permissions.json --identity 'proxmint@pve!build' --node pve --storage tank",
        'nothing is missing',
      ),
      run('zx scripts/check-permissions.mts --template windows', 'VM.Console', { code: 4 }),
      ...['arch', 'nixos', 'talos'].map(os =>
        run(`zx scripts/check-permissions.mts --template ${os}`, 'nothing is missing'),
      ),
      run('zx scripts/check-permissions.mts --template NAME', 'nothing is missing', {
        fill: { NAME: 'debian' },
      }),
    ],
  },
  {
    title: 'a VM of Debian',
    steps: [
      block('docs/guides/debian.md', 'zx scripts/check-permissions.mts --template debian', 'checks passed', {
        before: useImagesOfTheLab,
      }),
      block('docs/guides/debian.md', 'zx scripts/vm.mts create web-1 --mock', /^web-1$/m, {
        before: makeSshKey,
        fill: { 'ssh admin@192.168.122.200': ssh },
      }),
      run('zx scripts/doctor.mts', 'ok     Proxmox VE'),
    ],
  },
  {
    title: 'a trial',
    steps: [
      run('zx scripts/trial.mts --dry-run', 'removes all of it at its end'),
      run('zx scripts/trial.mts --yes', 'proxmint trial: passed'),
      run('zx scripts/trial.mts --clean', 'no trial has left anything'),
    ],
  },
  {
    title: 'versions of VM templates',
    steps: [
      run('zx scripts/build.mts debian --rules-only', 'debian: keeps every rule'),
      run('zx scripts/build.mts --all --rules-only', 'debian: keeps every rule'),
      run('zx scripts/build.mts debian --validate-only', 'packer validate passed'),
      run('zx scripts/templates.mts list windows', 'no versions yet'),
      run('zx scripts/build.mts debian --dry-run', 'packer'),
      block('docs/templates.md', 'zx scripts/templates.mts list ', 'revoked', {
        fill: { 'debian-20261122-61c4fd98': currentName },
      }),
      run('zx scripts/vm.mts list --outdated', /web-1 .*revoked/),
      run('zx scripts/reconcile.mts', 'revoked', { code: 1 }),
      run('zx scripts/templates.mts rollback debian', 'current'),
      block('docs/templates.md', 'zx scripts/templates.mts test debian', 'passed', {
        fill: { '9012': currentVmid },
      }),
      run('zx scripts/templates.mts list --terraform', '"debian"'),
      run('zx scripts/templates.mts prune --keep 3 --min-age 7d --dry-run', 'kept'),
    ],
  },
  {
    title: 'the life of a VM',
    steps: [
      block('docs/vm-rebuild.md', 'zx scripts/vm.mts list --outdated', 'web-1', {
        fill: { 'rebuild web-1': 'rebuild web-1 --yes' },
      }),
      block('docs/vms.md', 'zx scripts/vm.mts change web-1 ', 'That is done.'),
      run('zx scripts/reconcile.mts', 'agree'),
      run('zx scripts/vm.mts extend web-1 --days 30', /web-1 expires 20/),
      run('zx scripts/gc.mts', /web-1 .*suspend +due/, { before: expire }),
      run('zx scripts/gc.mts --execute', /web-1 .*suspend +done/),
      run('zx scripts/vm.mts resume web-1 --days 30', 'web-1 is active again, and expires'),
      block('docs/vm-power-and-backup.md', 'zx scripts/vm.mts stop web-1', 'web-1 runs again'),
      block(
        'docs/vm-power-and-backup.md',
        'zx scripts/vm.mts destroy web-1 --safety backup',
        /^web-1 runs$/m,
        {
          fill: { 'destroy web-1 --safety backup': 'destroy web-1 --safety backup --yes' },
        },
      ),
      run('zx scripts/apply.mts web-1 --allow data-loss', 'web-1'),
      run('zx scripts/apply.mts --plan-only', 'web-1'),
      run('zx scripts/vm.mts list', 'active'),
      run('zx scripts/vm.mts list --inventory', '"phase_active"'),
      run('zx scripts/vm.mts list --ssh-config', 'Host web-1'),
      run('zx scripts/vm.mts list --hosts', /^[0-9.]+\tweb-1$/m),
      run('zx scripts/registry.mts check', 'nothing is wrong'),
      run('zx scripts/registry.mts backup registry.json', 'written to registry.json'),
      run('zx scripts/report.mts', 'report.html'),
      run('zx scripts/report.mts --out site.html', 'site.html'),
      run('zx scripts/report.mts --out /var/www/html/proxmint.html', 'proxmint.html', {
        fill: { '/var/www/html/proxmint.html': '../proxmint.html' },
      }),
      run('zx scripts/vm.mts destroy web-1', 'web-1 is destroyed', {
        fill: { 'destroy web-1': 'destroy web-1 --yes' },
      }),
      run('zx scripts/registry.mts restore FILE --replace', /1 VM/, {
        before: forgetRegistry,
        fill: { FILE: 'registry.json' },
      }),
      run('zx scripts/reconcile.mts --fix', 'web-1', { code: 1 }),
      block('docs/vms.md', 'zx scripts/vm.mts create web-1 --no-web3 --mock', /^web-1 .*active/m, {
        before: site => prepare(site, 'zx scripts/vm.mts destroy web-1 --yes'),
      }),
      run(
        'zx scripts/vm.mts create db-1 --no-web3 --data-disk name=data,size=20,mount=/data,keep=on --data-disk name=scratch,size=50 --mock',
        /data: 20 GiB, mounted on \/data, kept/,
      ),
      run(
        'zx scripts/vm.mts create ai-1 --no-web3 --node auto --device pci=gpu,pcie=on --device usb=licence-key --mock',
        'pci gpu, usb licence-key',
      ),
      run('zx scripts/vm.mts create web-3 --no-web3 --resource-pool shop --mock', '"pool": "shop"'),
      block('docs/guides/backup.md', 'zx scripts/vm.mts adopt --site ', /web-1 .*adopted/, {
        before: forgetRegistry,
      }),
      run('zx scripts/vm.mts adopt web-1 --apply', 'Nothing in Proxmox was changed.'),
    ],
  },
  {
    title: 'Ubuntu, and Debian 13',
    steps: [
      block('docs/guides/ubuntu.md', 'zx scripts/check-permissions.mts --template ubuntu', 'checks passed'),
      block('docs/guides/ubuntu.md', 'zx scripts/vm.mts create web-1 --template ubuntu --mock', 'active', {
        before: site => prepare(site, 'zx scripts/vm.mts destroy web-1 --yes'),
      }),
      run('zx scripts/vm.mts show web-1', 'ubuntu-'),
      run('zx scripts/apply.mts web-1', 'web-1'),
      run('zx scripts/build.mts debian --var debian_release=13', '14 checks passed', {
        before: site => prepare(site, 'zx scripts/base.mts import debian-13'),
      }),
      run('zx scripts/build.mts ubuntu --var ubuntu_release=24.04', '14 checks passed', {
        before: site => prepare(site, 'zx scripts/base.mts import ubuntu-24.04'),
      }),
    ],
  },
  {
    title: 'VMs that open with a wallet',
    steps: [
      run('zx scripts/contract.mts deploy', 'contract', { before: useTheChain }),
      run('zx scripts/contract.mts show', 'profile v0.4'),
      block('docs/access.md', 'zx scripts/base.mts import debian-web3', 'token 0 is held by', {
        before: site => prepare(site, 'zx scripts/vm.mts destroy web-1 --yes'),
        env: packageOfTheModule,
      }),
      run('zx scripts/base.mts import debian-12-web3', 'debian-12-web3'),
      run('zx scripts/mint.mts --vm web-1 --allow reboot', 'web-1'),
      run('zx scripts/mint.mts --owner-wallet 0x... --machine-id nas-1', 'nas-1', { fill: wallet }),
      run('zx scripts/events.mts', /mint .*web-1/),
      run('zx scripts/vm.mts create web-1 --owner-wallet 0x...', 'web-1 is reserved', {
        before: site => prepare(site, 'zx scripts/vm.mts destroy web-1 --yes'),
        fill: wallet,
      }),
      run('zx scripts/vm.mts create web-1 --user-signature FILE --apply', /phase +active/, {
        before: sign,
        fill: { FILE: '../signature' },
      }),
      run('zx scripts/mint.mts --update web-1 --user-signature FILE', 'web-1', {
        fill: { FILE: '../signature' },
      }),
      run('zx scripts/vm.mts create web-1 --owner-wallet 0x... --apply', /phase +active/, {
        before: site => prepare(site, 'zx scripts/vm.mts destroy web-1 --yes'),
        fill: wallet,
      }),
      run('zx scripts/reconcile.mts', 'agree'),
      run(
        'zx scripts/contract.mts hand-over --to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
        'offered to 0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
      ),
      run('zx scripts/contract.mts accept', 'owner 0x70997970C51812dc3A010C7d01b50e0d17dc79C8', {
        before: useTheNewKey,
      }),
    ],
  },
  {
    title: 'by itself, and in pull requests',
    steps: [
      // A fork that builds these two alone.
      block(
        'docs/templates.md',
        'zx scripts/build.mts --all --parallel 4  ',
        /debian +current[\s\S]*ubuntu +current/,
        {
          before: site =>
            prepare(
              site,
              'zx scripts/templates.mts prune --keep 1 --min-age 0s\n' +
                'git rm -r --quiet packer/{arch,nixos,talos,windows,debian-web3}',
            ),
        },
      ),
      run('zx scripts/templates.mts prune --keep 1 --min-age 0s', 'removed'),
      block('docs/templates.md', 'zx scripts/build.mts --all --parallel 4 --if-changed', 'unchanged'),
      run('zx scripts/build.mts debian --if-changed --max-age 30d --no-promote', 'nothing to build'),
      run('zx scripts/templates.mts promote debian', 'current', {
        before: site => prepare(site, 'zx scripts/build.mts debian --no-promote'),
      }),
      workflow('rebuild.yml', 'tools/rebuild/run.mts', 'are taken over', {
        before: leaveAPullRequest,
        env: async () => ({ GIT_CONFIG_GLOBAL: '/dev/null' }),
      }),
      workflow('rebuild.yml', 'zx scripts/build.mts', 'nothing to build', { env: variablesOfTheRunner }),
      workflow('reconcile.yml', 'zx scripts/reconcile.mts', 'agree', { env: variablesOfTheRunner }),
      block('docs/schedule.md', 'zx scripts/schedule.mts show', 'proxmint-gc.timer'),
      block('docs/templates.md', '(eval', 'proxmint-base-debian-12'),
      run('zx scripts/vm.mts import vms.json', 'imported', { before: writePredecessor }),
    ],
  },
  {
    title: 'Terraform of the reader',
    steps: [
      block('docs/terraform.md', 'cd terraform/examples/plain-vms', 'Apply complete! Resources: 2 added', {
        fill: {
          'cd terraform/examples': 'eval "$(zx scripts/credentials.mts export)"\ncd terraform/examples',
          'tofu apply': 'SSL_CERT_FILE="$PROXMOX_CA_FILE" tofu apply -auto-approve',
        },
      }),
      block('docs/terraform.md', 'cd terraform/modules/vm', '0 failed'),
    ],
  },
  {
    title: 'a lab of the reader',
    steps: [
      run('zx scripts/lab.mts up', 'Proxmox VE API', { stays: true }),
      block('docs/lab.md', 'zx scripts/lab.mts exec -- ip -br addr', '192.168.122.1/24'),
      run('zx scripts/lab.mts up --json', '"url"', {
        fill: { ' up': ' up --chain --time-scale 0' },
        stays: true,
      }),
      run('zx scripts/lab.mts exec -- COMMAND', 'PROXMOX_URL', { fill: { COMMAND: 'env' } }),
      block(
        'docs/lab.md',
        'zx scripts/lab.mts exec -- zx scripts/base.mts import debian-12',
        '14 checks passed',
      ),
      run(
        'zx scripts/lab.mts exec -- zx scripts/mint.mts --owner-wallet 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --machine-id nas-1',
        'nas-1',
      ),
      run('zx scripts/lab.mts down', 'is down'),
      run('zx scripts/lab.mts up --fault faults.yaml', 'Proxmox VE API', {
        stays: true,
        before: writeFaults,
      }),
      run('zx scripts/lab.mts fault set faults.yaml', 'failing-task'),
      run('zx scripts/lab.mts fault list', 'failing-task'),
      block('docs/lab-faults.md', 'curl --unix-socket', 'failing-task', {
        fill: { $SOCKET: controlSocket },
      }),
      run('zx scripts/lab.mts fault clear', 'No faults are set'),
    ],
  },
]
