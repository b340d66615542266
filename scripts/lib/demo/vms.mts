import type { StdioOptions } from 'node:child_process'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { labAccounts } from '../../../lab/chain/accounts.mts'
import type { Step } from '../journey/timed-steps.mts'
import { listVmPlaces } from '../proxmox/list-vms.mts'
import { openFileStore } from '../registry/file/file-store.mts'
import { ProxmintError } from '../run/errors.mts'
import { readLockfile } from '../templates/lockfile.mts'
import { type Demo, inLab, type Shell, shell } from './lab.mts'

/** Alice and Bob of the lab's chain; its first account owns the contract. */
const [alice, bob] = labAccounts(3).slice(1)
const verifier = resolve(import.meta.dirname, '../../../test/e2e/chain/demo-logins.mts')

/** Moves the clocks of the lab and of the commands of `work` ahead: nobody can wait for a month. */
async function inDays(demo: Demo, days: number, work: ($: Shell) => Promise<unknown>): Promise<void> {
  const clock = new URL(`moved-clock.mts?days=${days}`, import.meta.url)
  await demo.lab.faults.set([{ fault: 'clock-skew', seconds: days * 24 * 60 * 60 }])
  try {
    await work(shell(demo, { env: { NODE_OPTIONS: `--import=${clock.href}` } }))
  } finally {
    await demo.lab.faults.clear()
  }
}

/** Two VMs from their first day to the end of one of them, each opened by its owner's wallet. */
export async function demonstrateVms(demo: Demo, step: Step): Promise<void> {
  const $ = shell(demo)
  const hasModule = Boolean(process.env['PAM_WEB3_PACKAGE'])
  if (hasModule) await step('build a VM template with libpam-web3 in it', () => buildWithModule(demo))
  const template = hasModule ? [] : await templateWithoutModule(demo)
  const create = (name: string, wallet: string) =>
    $`zx scripts/vm.mts create ${name} --owner-wallet ${wallet} ${template} --apply`
  await step('create two VMs for two owners: reserve, plan, create, mint, boot, verify', async () => {
    await create('shop', alice!.address)
    await create('wiki', bob!.address)
    await $`zx scripts/vm.mts list`
  })
  await step(
    'the token ids in the VMs are those on the chain, and open them to their owners alone',
    async () => {
      await $`zx scripts/events.mts --from-block 0`
      await verifyLogins(demo)
    },
  )
  await step(
    'the token of wiki was transferred meanwhile: reconcile finds it, and the registry follows',
    () => $`zx scripts/reconcile.mts --fix`,
  )
  await step('extend one VM; a month later gc suspends the other', async () => {
    await $`zx scripts/vm.mts extend shop --days 90`
    await inDays(demo, 31, async $ => {
      await $`zx scripts/gc.mts --execute`
      await $`zx scripts/vm.mts list`
    })
  })
  await step('resume it; another month later gc suspends it, and destroys it after the grace', async () => {
    await inDays(demo, 32, $ => $`zx scripts/vm.mts resume wiki --days 30`)
    await inDays(demo, 63, $ => $`zx scripts/gc.mts --execute`)
    await inDays(demo, 67, $ => $`zx scripts/gc.mts --execute`)
  })
  await step('registry, folders, Proxmox and chain agree', async () => {
    await $`zx scripts/reconcile.mts`
    await $`zx scripts/vm.mts show shop`
  })
}

async function buildWithModule(demo: Demo): Promise<void> {
  const $ = shell(demo)
  await $`zx scripts/base.mts import debian-web3`
  await $`zx scripts/build.mts debian-web3`
}

/** The Debian one that is there, by its number: nobody can tell what is in it. @returns options of `vm create`. */
async function templateWithoutModule(demo: Demo): Promise<string[]> {
  demo.output.write(
    '\nPAM_WEB3_PACKAGE names no libpam-web3: these VMs get its configuration without the module, and what it would\n' +
      'do at a login is done by a verifier of its protocol (test/e2e/chain/verifier.mts).\n',
  )
  const { debian } = await readLockfile(join(demo.workspace, 'config/templates.lock.json'))
  return ['--template-vmid', String(debian!.current!.copies[0]!.vmid)]
}

/** @throws ProxmintError where somebody gets in who must not, or the owner does not. */
async function verifyLogins(demo: Demo): Promise<void> {
  const { lab, output, workspace } = demo
  const registry = openFileStore({ folder: join(workspace, '.proxmint/registry'), purpose: 'demo' })
  const machines = await Promise.all(
    ['shop', 'wiki'].map(async name => {
      const { vmid, token, address } = (await registry.find(name))!
      return { id: name, vmid, address, tokenId: token!.id!, gecos: await gecosOf(demo, vmid) }
    }),
  )
  await registry.close()
  const [shop, wiki] = machines
  const input = JSON.stringify({
    chain: lab.chain,
    shop: { ...shop, walletKey: alice!.privateKey },
    wiki: { ...wiki, walletKey: bob!.privateKey },
  })
  const stdio: StdioOptions = ['pipe', output, 'pipe']
  const { exitCode, stderr, cause } = await inLab(demo, [process.execPath, verifier], { stdio, input })
  if (cause) throw cause
  if (exitCode !== 0)
    throw new ProxmintError(`the logins were not as they must be: ${stderr}`, {
      hint: 'this is a defect of proxmint; please report it with the lines above',
    })
}

/** The account's GECOS field, by the guest agent, as an administrator can. */
async function gecosOf({ root }: Demo, vmid: number): Promise<string> {
  const { node } = (await listVmPlaces(root)).find(vm => vm.vmid === vmid)!
  const agent = `/nodes/${node}/qemu/${vmid}/agent`
  const line = 'getent passwd admin | cut -d: -f5'
  const { pid } = await root.request<{ pid: number }>('POST', `${agent}/exec`, {
    command: '/bin/sh',
    'input-data': line,
  })
  for (;;) {
    type Status = { exited: 0 | 1; 'out-data'?: string }
    const status = await root.request<Status>('GET', `${agent}/exec-status`, { pid })
    if (status.exited) return (status['out-data'] ?? '').trim()
    await sleep(200)
  }
}
