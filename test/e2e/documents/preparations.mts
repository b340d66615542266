/** What must be there before a command of a document can be run, and what stands for something of the reader's. */
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Wallet } from 'ethers'
import { type LabAccount, labAccounts } from '../../../lab/chain/accounts.mts'
import { openFileStore } from '../../../scripts/lib/registry/file/file-store.mts'
import { readLockfile } from '../../../scripts/lib/templates/lockfile.mts'
import { changeEntry } from '../../change-entry.mts'
import { fencedBlocks, loadDocument } from '../../unit/documents.mts'
import { makePackage } from '../web3-package.mts'
import type { Site } from './site.mts'

const [deployer, owner] = labAccounts(2) as [LabAccount, LabAccount]

export { owner }

const versions = async ({ folder }: Site) =>
  (await readLockfile(join(folder, 'config/templates.lock.json')))['debian']!

export const currentName = async (site: Site) => (await versions(site)).current!.name

export const currentVmid = async (site: Site) => String((await versions(site)).current!.copies[0]!.vmid)

export async function expire({ folder }: Site): Promise<void> {
  const store = openFileStore({ folder: join(folder, '.proxmint/registry'), purpose: 'test' })
  await changeEntry(store, 'web-1', entry => ({
    ...entry,
    expiresAt: new Date(Date.now() - 60_000).toISOString(),
  }))
  await store.close()
}

/** The state folder is as that of another machine. */
export async function forgetRegistry({ folder }: Site): Promise<void> {
  await rm(join(folder, '.proxmint/registry'), { recursive: true })
  await rm(join(folder, '.proxmint/registry.last'), { force: true })
}

export async function prepare(site: Site, lines: string): Promise<void> {
  const { code, stderr } = await site.shell(lines)
  if (code !== 0) throw new Error(stderr)
}

/** The images come from the lab, and its Debian stands in for Ubuntu. */
export async function useImagesOfTheLab(site: Site): Promise<void> {
  const config = join(site.folder, 'config/proxmint.yaml')
  const text = await readFile(config, 'utf8')
  const files = {
    'debian-13': 13,
    'debian-12': 12,
    'ubuntu-24.04': 12,
    'ubuntu-26.04': 12,
    'debian-12-web3': 12,
  }
  const images = Object.entries(files).flatMap(([name, release]) => [
    `  ${name}:`,
    `    url: ${site.lab.imagesUrl}/debian-${release}-genericcloud-amd64.qcow2`,
    `    checksums_url: ${site.lab.imagesUrl}/SHA512SUMS`,
  ])
  await writeFile(config, `${text.slice(0, text.indexOf('\nimages:\n'))}\nimages:\n${images.join('\n')}\n`)
}

export async function makeSshKey(site: Site): Promise<void> {
  await prepare(site, 'mkdir -m 700 ~/.ssh && ssh-keygen -q -t ed25519 -N "" -f ~/.ssh/id_ed25519')
  const key = await readFile(join(site.home, '.ssh/id_ed25519.pub'), 'utf8')
  await site.edit(
    'config/vm.yaml',
    /# ssh_authorized_keys:\n.*\n/,
    `ssh_authorized_keys:\n    - ${key.trim()}\n`,
  )
  // The lab's guests reach no package mirror.
  await site.edit('cloud-init/templates/devbox.yaml', /\npackage_update:(.|\n)*/, '\n')
}

export const ssh = async ({ home }: Site) =>
  `ssh -i '${home}/.ssh/id_ed25519' -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null admin@192.168.122.200 hostname`

const writeSigner = ({ folder }: Site, { privateKey }: LabAccount): Promise<void> =>
  writeFile(join(folder, 'secrets/signer'), privateKey, { mode: 0o600 })

/** The key that the page hands the contract over to. */
export const useTheNewKey = (site: Site): Promise<void> => writeSigner(site, owner)

export async function useTheChain(site: Site): Promise<void> {
  const { rpcUrl, guestRpcUrl, chainId } = site.lab.chain!
  await writeSigner(site, deployer)
  await site.edit('config/web3-defaults.yaml', /^chain_id: .*$/m, `chain_id: ${chainId}`)
  await site.edit(
    'config/web3-defaults.yaml',
    '# rpc_url:',
    `rpc_url: ${rpcUrl}\nguest_rpc_url: ${guestRpcUrl}\n#`,
  )
  await site.edit('config/web3-defaults.yaml', '# private_key_file:', 'private_key_file: secrets/signer #')
}

/** Those of the page itself. */
export async function writeFaults({ folder }: Site): Promise<void> {
  const [faults] = fencedBlocks(await loadDocument('docs/lab-faults.md'), 'yaml')
  await writeFile(join(folder, 'faults.yaml'), faults!)
}

export async function controlSocket(site: Site): Promise<string> {
  const { stdout } = await site.shell('zx scripts/lab.mts status --json')
  return (JSON.parse(stdout) as { controlSocket: string }).controlSocket
}

/** What the workflows set: an identity as a secret, and no home folder that has one. */
export async function variablesOfTheRunner({ home, folder }: Site): Promise<Record<string, string>> {
  const identity = /^AGE-SECRET-KEY-.*$/m.exec(
    await readFile(join(home, '.config/sops/age/keys.txt'), 'utf8'),
  )![0]
  return { SOPS_AGE_KEY: identity, HOME: join(folder, '..'), FAMILIES: 'debian' }
}

export async function packageOfTheModule({ folder }: Site): Promise<Record<string, string>> {
  const { file, sha256 } = await makePackage(join(folder, '..'), 'libpam-web3')
  return { PAM_WEB3_PACKAGE: file, PAM_WEB3_PACKAGE_SHA256: sha256 }
}

export async function sign(site: Site): Promise<void> {
  const { stdout } = await site.shell('zx scripts/vm.mts show web-1 --json')
  const signature = await new Wallet(owner.privateKey).signMessage(
    JSON.parse(stdout).design.access.decryptMessage,
  )
  await writeFile(join(site.folder, '../signature'), signature)
}

export async function writePredecessor({ folder }: Site): Promise<void> {
  const vm = {
    vm_name: 'old-1',
    vmid: 900,
    ip_address: '192.168.122.249',
    expires_at: '2027-02-01T00:00:00',
    owner: null,
    status: 'active',
    created_at: '2026-01-01T00:00:00+00:00',
    purpose: 'wiki',
  }
  await writeFile(join(folder, 'vms.json'), JSON.stringify({ vms: { 'old-1': vm } }))
}

/** The branch of a pull request that nobody merged, and a default branch that went on since. */
export async function leaveAPullRequest(site: Site): Promise<void> {
  const lines = [
    'git add . && git commit --quiet --message state',
    'git switch --quiet --create rebuild',
    'echo "exit 1" > tools/check-node.sh && echo "of nobody" > config/proxmint.yaml',
    'git add . && git commit --quiet --message rebuild && git push --quiet origin rebuild',
    'git switch --quiet templates && echo >> README.md && git commit --quiet --all --message later',
    'git config --unset user.name && git config --unset user.email',
  ]
  await prepare(site, lines.join('\n'))
}
