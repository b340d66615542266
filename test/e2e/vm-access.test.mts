/** VMs that open with their owner's wallet, with the real OpenTofu, on a chain. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Wallet } from 'ethers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { labAccounts } from '../../lab/chain/accounts.mts'
import type { Lab } from '../../lab/create.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { readLockfile } from '../../scripts/lib/templates/lockfile.mts'
import { writePackages } from '../../scripts/lib/templates/packages.mts'
import { MINT_CHECKPOINTS } from '../checkpoints.mts'
import { decryptForUser } from '../unit/chain/token-owner.mts'
import { type CredentialChain, openCredentialChain } from './credential-chain.mts'
import { inGuestByAgent, slowly } from './guest-agent.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { web3Package } from './web3-package.mts'
import { rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let vms: VmWorkspace
let chain: CredentialChain
let isReal: boolean

const accounts = labAccounts(3)
const [alice, bob] = accounts.slice(1).map(({ privateKey }) => new Wallet(privateKey))
const wallet = (owner: Wallet) => ['--owner-wallet', owner.address]

beforeAll(async () => {
  lab = await startLab({ chain: true })
  const web3 = await web3Package(await folderFor('package'))
  isReal = web3.isReal
  const env = { PAM_WEB3_PACKAGE: web3.file, PAM_WEB3_PACKAGE_SHA256: web3.sha256 }
  vms = await createVmWorkspace(lab, workspace => buildWeb3(workspace, env))
  chain = await openCredentialChain(lab)
})
async function buildWeb3(workspace: Workspace, env: Record<string, string>): Promise<void> {
  const family = 'debian-web3'
  await workspace.edit('config/proxmint.yaml', '  debian-12:', '  debian-12-web3:')
  expect(await workspace.zx('base', ['import', family])).toMatchObject({ code: 0 })
  expect(await workspace.zx('build', [family, '--no-test'], env)).toMatchObject({ code: 0 })
  expect(await workspace.zx('templates', ['promote', family, '--untested'])).toMatchObject({ code: 0 })
}
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

async function folderFor(name: string): Promise<string> {
  const folder = join(dirname(lab.chain!.configFile), name)
  await mkdir(folder, { recursive: true })
  return folder
}

const guest = async (name: string, command: string) =>
  inGuestByAgent(rootClient(lab), (await vms.registry.find(name))!.vmid, command)
const gecos = (name: string) => guest(name, 'getent passwd admin | cut -d: -f5 | cut -d, -f1')
const power = async (name: string) =>
  (await getVmStatus(rootClient(lab), { node: 'pve', vmid: (await vms.registry.find(name))!.vmid })).status

/** With a configuration of VMs that delivers user-data so. */
async function delivered(by: 'snippet' | 'iso') {
  const file = join(vms.workspace.folder, `${by}.yaml`)
  await writeFile(file, `cloud_init: { delivery: ${by} }\n`)
  return { PROXMINT_VM: file }
}

/** Writes down what the acceptance test would have found in the VM template. */
async function packagesAre(packages: string[]): Promise<void> {
  const lockfile = join(vms.workspace.folder, 'config/templates.lock.json')
  const { current } = (await readLockfile(lockfile))['debian-web3']!
  await writePackages(lockfile, current!.name, packages)
}

describe.sequential('before anything is made', () => {
  test.each<[string, string[], number, string]>([
    ['nobody says whose it is', [], 2, 'whose wallet opens web-1 is not said'],
    [
      'a wallet without a checksum',
      ['--owner-wallet', alice!.address.toLowerCase()],
      2,
      'lacks the checksum',
    ],
    ['both at once', [...wallet(alice!), '--no-web3'], 2, '--no-web3 is for a VM without a wallet'],
    [
      'a cloud-init template that no wallet opens',
      [...wallet(alice!), '--cloud-init', 'webserver'],
      2,
      'the cloud-init template webserver has no {{ gecos }}',
    ],
    [
      'nothing was signed yet',
      [...wallet(alice!), '--user-signature', `0x${'1'.repeat(130)}`],
      2,
      'reserve it first',
    ],
    ['a VM template of which nobody knows', wallet(alice!), 3, 'is not known to have libpam-web3'],
  ])('%s', async (_, options, code, message) => {
    const refused = await vms.run('vm', ['create', 'web-1', ...options])
    expect(refused.stderr).toContain(message)
    expect(refused.code).toBe(code)
    expect(await vms.registry.list()).toEqual([])
  })

  test('a VM template without libpam-web3', async () => {
    await packagesAre(['libc6 2.36', 'libpam-web3-tools 0.4.0'])
    const refused = await vms.run('vm', ['create', 'web-1', ...wallet(alice!)])
    expect(refused.stderr).toContain('does not have libpam-web3: no wallet would open the VM')
    expect(refused.code).toBe(3)
    await packagesAre(['libc6 2.36', 'libpam-web3 0.4.0'])
  })

  test('a wallet that is a contract', async () => {
    const refused = await vms.run('vm', ['create', 'web-1', '--owner-wallet', lab.chain!.contract])
    expect(refused.stderr).toContain('is a contract on chain 31337, so nobody can log in with it')
    expect(await vms.registry.list()).toEqual([])
    expect(await vms.left()).toEqual([])
  })
})

describe.sequential('two owners', () => {
  test('their VMs run with the ids of their own receipts', async () => {
    const file = join(vms.workspace.folder, 'fleet.yaml')
    await writeFile(file, `vms:\n  web-1: {}\n  web-2: { owner_wallet: "${bob!.address}" }\n`)
    const made = await vms.run('vm', ['create', '--from', file, ...wallet(alice!), '--apply'])
    expect(made.code, made.stderr).toBe(0)
    for (const [name, owner] of [
      ['web-1', alice!],
      ['web-2', bob!],
    ] as const) {
      const entry = (await vms.registry.find(name))!
      expect(entry).toMatchObject({ phase: 'active', owner: owner.address, token: { status: 'minted' } })
      expect(await chain.ownerOf(entry.token!.id!)).toBe(owner.address)
      await expect.poll(() => gecos(name), slowly).toBe(`nft=${entry.token!.id}`)
    }
    expect(await chain.totalSupply()).toBe(2)
  })

  test('each machine has what libpam-web3 reads, and a secret of its own that is nowhere else', async () => {
    const config = async (name: string) => {
      await expect.poll(() => guest(name, 'grep -c secret_key /etc/pam_web3/config.toml'), slowly).toBe('1')
      return guest(name, 'stat -c %a /etc/pam_web3/config.toml; cat /etc/pam_web3/config.toml')
    }
    const [first, second] = [await config('web-1'), await config('web-2')]
    expect(first).toMatch(/^600\n/)
    const { address } = (await vms.registry.find('web-1'))!
    for (const line of [
      'id = "web-1"',
      `nft_contract = "${lab.chain!.contract}"`,
      `signing_url = "http://${address}:8080/"`,
      'nft_lookup = "passwd"',
      'chain_id = 31337',
    ]) {
      expect(first).toContain(line)
    }
    const secretOf = (text: string) => /^secret_key = "([0-9a-f]{64})"$/m.exec(text)![1]!
    expect(secretOf(first)).not.toBe(secretOf(second))
    const service = await guest(
      'web-1',
      'stat -c %a /etc/web3-auth/config.toml; cat /etc/web3-auth/config.toml',
    )
    expect(service).toMatch(/^600\n/)
    expect(service).toContain(`rpc_url = "${lab.chain!.guestRpcUrl}/"`)
  })

  test('sshd asks the module for that one account', async () => {
    expect(await guest('web-1', 'head -n 1 /etc/pam.d/sshd')).toBe('@include proxmint-web3')
    const settings = await guest(
      'web-1',
      'sshd -T | grep -iE "^(usepam|kbdinteractive|passwordauth|logingrace)"',
    )
    expect(settings.split('\n').sort()).toEqual([
      'kbdinteractiveauthentication yes',
      'logingracetime 330',
      'passwordauthentication no',
      'usepam yes',
    ])
  })

  test('the real module lets the owner in, and nobody else', async context => {
    if (!isReal) return context.skip('PROXMINT_TEST_WEB3_PACKAGE names no libpam-web3 package')
    const { address } = (await vms.registry.find('web-1'))!
    const login = async (owner: Wallet, more: object = {}) => {
      const input = JSON.stringify({ host: address, username: 'admin', walletKey: owner.privateKey, ...more })
      const script = join(import.meta.dirname, 'wallet-login.mts')
      const { stdout, stderr } = await lab.exec([process.execPath, script], { input })
      return stdout === '' ? stderr : (JSON.parse(stdout) as { result: string; shown: string }).result
    }
    // Its first boot restarts the SSH server in the end.
    await expect.poll(() => login(alice!), slowly).toBe('in as admin')
    expect(await login(bob!)).toMatch(/^refused/)
    expect(await login(alice!, { otherCode: '000000' })).toMatch(/^refused/)
    expect(await login(alice!, { username: 'root' })).toMatch(/^refused/)
  })

  test('an extension is told to the chain', async () => {
    await vms.json('vm', 'extend', 'web-1', '--days', '10')
    const { expiresAt, token } = (await vms.registry.find('web-1'))!
    expect(await chain.expiryOf(token!.id!)).toBe(Math.floor(Date.parse(expiresAt!) / 1000))
    const { views } = await vms.json('vm', 'show', 'web-1')
    expect(views).toMatchObject({
      proxmox: { status: 'running', differences: [] },
      state: { resources: expect.any(Number) },
      chain: { owner: alice!.address },
    })
    expect(await vms.json('reconcile')).toEqual([])
  })

  test('a transfer is told by events and reconcile, and moves the access', async () => {
    const { token } = (await vms.registry.find('web-2'))!
    await chain.transfer(bob!, alice!.address, token!.id!)
    const found = await vms.run('reconcile', [])
    expect(found.code).toBe(1)
    expect(found.stdout).toContain(`token ${token!.id} is held by ${alice!.address}`)
    expect(await vms.json('reconcile', '--fix')).toMatchObject([{ name: 'web-2', fixed: true }])
    expect(await vms.registry.find('web-2')).toMatchObject({ owner: alice!.address })
    // The tag of the owner is in Proxmox only after the next apply.
    const left = await vms.run('reconcile', [])
    expect(left).toMatchObject({ code: 1, stdout: expect.stringContaining('web-2: tags: Proxmox ') })
    expect(await vms.json('apply', 'web-2')).toMatchObject([{ did: 'changed', changes: [{ what: 'tags' }] }])
    expect(await vms.json('reconcile')).toEqual([])
    const events = await vms.json('events', '--from-block', '0')
    expect(events.at(-1)).toMatchObject({
      kind: 'transfer',
      vm: 'web-2',
      from: bob!.address,
      to: alice!.address,
    })
    expect(events.filter(({ kind }: { kind: string }) => kind === 'mint')).toHaveLength(2)
  })

  test('with its VM a token ends', async () => {
    const { token } = (await vms.registry.find('web-2'))!
    await vms.json('vm', 'destroy', 'web-2', '--yes')
    expect(await chain.expiryOf(token!.id!)).toBeLessThanOrEqual(Date.now() / 1000)
    expect(await vms.registry.listArchived()).toMatchObject([{ name: 'web-2', token: { status: 'expired' } }])
    expect(await vms.json('reconcile')).toEqual([])
  })
})

test('while the chain is silent the VM stays off; then the same command goes on, with an ISO that has the token', async () => {
  const reserved = await vms.run('vm', ['create', 'late-1', ...wallet(alice!)], await delivered('iso'))
  expect(reserved.code, reserved.stderr).toBe(0)
  const silent = { PROXMINT_RPC_URL: 'http://127.0.0.1:9' }
  const stopped = await vms.run('apply', ['late-1'], silent)
  expect(stopped.code).toBe(1)
  expect(stopped.stderr).toContain('no RPC server of the chain answers')
  expect(stopped.stderr).toContain('late-1 is created, as VM')
  expect(await vms.registry.find('late-1')).toMatchObject({ phase: 'created', token: { status: 'failed' } })
  expect(await power('late-1')).toBe('stopped')
  expect(await vms.json('apply', 'late-1')).toMatchObject([{ did: 'made', entry: { phase: 'active' } }])
  const made = (await vms.registry.find('late-1'))!
  expect(made).toMatchObject({ token: { status: 'minted' }, failure: null })
  await expect.poll(() => gecos('late-1'), slowly).toBe(`nft=${made.token!.id}`)
  expect(await vms.json('apply', 'late-1')).toMatchObject([{ did: 'nothing' }])
  await vms.json('vm', 'destroy', 'late-1', '--yes')
})

test.each(['snippet', 'iso'] as const)(
  'a VM that was made without a token gets one later by %s, and keeps its host keys',
  async by => {
    const create = ['create', 'skip-1', ...wallet(bob!), '--skip-mint', '--apply']
    const made = await vms.run('vm', create, await delivered(by))
    expect(made.code, made.stderr).toBe(0)
    expect(made.stderr).toContain(
      'no wallet opens skip-1 until it has a token: zx scripts/mint.mts --vm skip-1 --allow reboot',
    )
    expect(await vms.registry.find('skip-1')).toMatchObject({ phase: 'active', token: { id: null } })
    expect(await gecos('skip-1')).toBe('')
    const hostKey = await guest('skip-1', 'cat /etc/ssh/ssh_host_ed25519_key.pub')
    const minted = await vms.json('mint', '--vm', 'skip-1', '--allow', 'reboot')
    expect(minted).toMatchObject({ phase: 'active', token: { status: 'minted' } })
    await expect.poll(() => gecos('skip-1'), slowly).toBe(`nft=${minted.token.id}`)
    expect(await guest('skip-1', 'cat /etc/ssh/ssh_host_ed25519_key.pub')).toBe(hostKey)
    const before = await chain.totalSupply()
    expect(await vms.json('mint', '--vm', 'skip-1')).toMatchObject({ token: minted.token })
    expect(await chain.totalSupply()).toBe(before)
    expect(await vms.json('apply', 'skip-1')).toMatchObject([{ did: 'nothing' }])
    await vms.json('vm', 'destroy', 'skip-1', '--yes')
  },
)

test('what the owner signed encrypts where the VM is, at its mint and later', async () => {
  const reserved = await vms.json('vm', 'create', 'sign-1', ...wallet(alice!))
  const message = reserved.design.access.decryptMessage
  const signature = await alice!.signMessage(message)
  const others = await bob!.signMessage(message)
  const refused = await vms.run('vm', ['create', 'sign-1', '--user-signature', others, '--apply'])
  expect(refused.code).toBe(2)
  const file = join(vms.workspace.folder, 'signature')
  await writeFile(file, `${signature}\n`)
  const made = await vms.json('vm', 'create', 'sign-1', '--user-signature', file, '--apply')
  const where = JSON.stringify({ hostname: made.address, port: 22, username: 'admin' })
  const read = async () =>
    decryptForUser(signature, Buffer.from((await chain.userEncrypted(made.token.id)).slice(2), 'hex'))
  expect(await read()).toBe(where)
  const first = await chain.userEncrypted(made.token.id)
  await vms.json('mint', '--update', 'sign-1', '--user-signature', file)
  expect(await chain.userEncrypted(made.token.id)).not.toBe(first)
  expect(await read()).toBe(where)
  await vms.json('vm', 'destroy', 'sign-1', '--yes')
})

describe.sequential('one token per VM, also after kill -9 at', () => {
  const mintedAt = [...MINT_CHECKPOINTS, 'vm-minted', 'vm-token-planned', 'vm-token-applied']
  test.each(mintedAt)('%s', async step => {
    const before = await chain.totalSupply()
    const create = ['create', 'dead-1', ...wallet(alice!), '--apply']
    const { code, stdout } = await vms.run('vm', create, { PROXMINT_TEST_KILL_AT: step })
    expect(code, `${step}: it must have been reached`).not.toBe(0)
    expect(stdout).toBe('')
    expect(await power('dead-1')).toBe('stopped')
    await vms.ageLocks()
    const made = await vms.json('vm', ...create)
    expect(await chain.totalSupply()).toBe(before + 1)
    expect(await chain.ownerOf(made.token.id)).toBe(alice!.address)
    expect(await gecos('dead-1')).toBe(`nft=${made.token.id}`)
    await vms.json('vm', 'destroy', 'dead-1', '--yes')
  })
})
