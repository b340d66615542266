/** Eight processes that make VMs with one signer at the same time. */
import { writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { labAccounts } from '../../lab/chain/accounts.mts'
import type { Lab } from '../../lab/create.mts'
import { type CredentialChain, openCredentialChain } from './credential-chain.mts'
import { startLabWith } from './golden.mts'
import { inGuestByAgent, slowly } from './guest-agent.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

const processes = 8
/** PROXMINT_TEST_VMS_EACH=5 makes forty, which takes some minutes. */
const each = Number(process.env['PROXMINT_TEST_VMS_EACH'] ?? 1)

let lab: Lab
let vms: VmWorkspace
let chain: CredentialChain
let templateVmid: number

beforeAll(async () => {
  lab = await startLabWith('template', { chain: true })
  vms = await createVmWorkspace(lab)
  templateVmid = vms.workspace.vmids[0]
  chain = await openCredentialChain(lab)
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

/** Wallets that nobody has to sign with. */
const wallets = labAccounts(processes + 1).slice(1)

async function makeFleet(index: number): Promise<void> {
  const file = join(dirname(lab.chain!.configFile), `fleet-${index}.yaml`)
  const names = Array.from({ length: each }, (_, n) => `vm-${index}-${n}`)
  const wallet = wallets[index]!.address
  const lines = names.map(name => `  ${name}: { owner_wallet: "${wallet}", template_vmid: ${templateVmid} }`)
  await writeFile(file, `vms:\n${lines.join('\n')}\n`)
  const { code, stderr } = await vms.run('vm', ['create', '--from', file, '--parallel', '1', '--apply'])
  expect(code, stderr).toBe(0)
}

test(`${processes * each} tokens, all distinct, each in the VM of its own receipt, and no gap in the nonces`, async () => {
  const nonce = await chain.nonceOfSigner()
  await Promise.all(Array.from({ length: processes }, (_, index) => makeFleet(index)))
  const entries = await vms.registry.list()
  expect(entries).toHaveLength(processes * each)
  expect(new Set(entries.map(({ token }) => token!.id)).size).toBe(processes * each)
  expect(await chain.totalSupply()).toBe(processes * each)
  // One transaction for each, none of which was replaced or waits for another.
  expect(await chain.nonceOfSigner()).toBe(nonce + processes * each)
  for (const { vmid, token, owner } of entries) {
    expect(await chain.ownerOf(token!.id!)).toBe(owner)
    const gecos = () => inGuestByAgent(rootClient(lab), vmid, 'getent passwd admin | cut -d: -f5')
    await expect.poll(gecos, slowly).toBe(`nft=${token!.id}`)
  }
}, 1_800_000)
