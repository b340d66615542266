import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { findTool } from '../../scripts/lib/tools/find.mts'
import { leftovers } from './leftovers.mts'
import { zxOutside } from './outside.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
  root = rootClient(lab)
})
afterAll(() => lab.close())
beforeEach(async () => {
  workspace = await createWorkspace(lab)
})
afterEach(async () => {
  expect(await leftovers(root, workspace)).toEqual([])
  await workspace[Symbol.asyncDispose]()
})

const base = (env: NodeJS.ProcessEnv = {}): Promise<ExecResult> =>
  zxOutside(workspace, 'base', ['import', 'debian-12'], { env })

const build = (env: NodeJS.ProcessEnv = {}): Promise<ExecResult> =>
  zxOutside(workspace, 'build', ['debian'], { env })

const told = (...lines: string[]): ExecResult => ({
  code: exitCodes.denied,
  stdout: '',
  stderr: `${lines.join('\n')}\n`,
})

const packaged = (await findTool('packer'))?.dialect === 'packaged'
/** Whom a build logs in as: Packer 1.6 knows no API tokens. */
const builder = packaged ? 'proxmint@pve' : 'proxmint@pve!lab'

/** How many times as long as 100 ms Node.js takes to start, at least 1: other programs may have the processor. */
async function slowness(): Promise<number> {
  const began = performance.now()
  await once(spawn(process.execPath, ['--eval', '']), 'close')
  return Math.max(1, (performance.now() - began) / 100)
}

describe('401: Proxmox does not know the login', () => {
  test('a wrong token secret', async () => {
    const secret = '01234567-89ab-cdef-0123-456789abcdef'
    const outcome = await base({ PROXMOX_TOKEN: secret })
    expect(outcome).toEqual(
      told(
        'error: GET /version: 401 Authentication failed!',
        '  identity: proxmint@pve!lab',
        'hint: Proxmox does not know proxmint@pve!lab with this secret: correct user, realm, token id or secret (sops edit secrets/proxmox-creds.enc.yaml, or PROXMOX_USERNAME and PROXMOX_TOKEN), and check that neither user nor token is disabled or expired',
      ),
    )
    expect(outcome.stderr).not.toContain(secret)
  })

  test('a token that is not there', async () => {
    const { code, stderr } = await base({ PROXMOX_USERNAME: 'proxmint@pve!other' })
    expect(stderr).toContain('hint: Proxmox does not know proxmint@pve!other with this secret')
    expect(code).toBe(exitCodes.denied)
  })

  test.runIf(packaged)('a wrong password, for the packaged Packer', async () => {
    const outcome = await build({ PROXMOX_PASSWORD: 'correct-horse' })
    expect(outcome).toEqual(
      told(
        'error: POST /access/ticket: 401 authentication failure',
        '  identity: proxmint@pve',
        'hint: Proxmox does not know proxmint@pve with this password: check user, realm and password (proxmox_password), and that the user is neither disabled nor expired',
      ),
    )
    expect(outcome.stderr).not.toContain('correct-horse')
  })

  test.runIf(packaged)('no password, for the packaged Packer', async () => {
    expect(await build({ PROXMOX_PASSWORD: '' })).toEqual(
      told(
        'error: this Packer (1.6.x) knows no API tokens, and the credentials hold no password',
        'hint: install Packer 1.10 or newer, or add proxmox_password (of proxmint@pve) to secrets/proxmox-creds.enc.yaml',
      ),
    )
  })
})

describe('credentials check', () => {
  const check = (env: NodeJS.ProcessEnv): Promise<ExecResult> =>
    zxOutside(workspace, 'credentials', ['check'], { env })

  test.each([
    ['a node', { PROXMOX_NODE: 'pve7' }, 'error: unknown node pve7; did you mean pve?'],
    ['a storage', { PROXMOX_STORAGE_POOL: 'tonk' }, 'error: node pve has no storage tonk'],
  ])('names %s that is not there', async (_, env, message) => {
    const { code, stderr } = await check(env)
    expect(stderr).toContain(message)
    expect(code).toBe(exitCodes.invalid)
  })

  test('warns of certificates that are not checked', async () => {
    const { code, stdout } = await check({ PROXMOX_SKIP_TLS_VERIFY: 'true' })
    expect(stdout).toContain('\nwarning: proxmox_skip_tls_verify is true')
    expect(code).toBe(0)
  })

  test('does not show a password in the URL', async () => {
    const url = lab.url.replace('https://', 'https://root:hunter2-hunter2@')
    const { code, stdout, stderr } = await check({ PROXMOX_URL: url })
    expect(stderr).toContain('PROXMOX_URL holds a user or a password')
    expect(stdout + stderr).not.toContain('hunter2')
    expect(code).toBe(exitCodes.invalid)
  })
})

test.runIf(packaged)('without a password all that needs no Packer is checked', async () => {
  const env = { PROXMOX_PASSWORD: '' }
  const all = await zxOutside(workspace, 'check-permissions', [], { env })
  expect(all.stderr).toContain('note: builds are not checked: this Packer (1.6.x) knows no API tokens')
  expect(all.stdout).toContain('for base import:')
  expect(all.stdout).toContain('for vm create:')
  expect(all.code).toBe(0)
  const one = await zxOutside(workspace, 'check-permissions', ['--template', 'debian'], { env })
  expect(one.stderr).toContain('error: this Packer (1.6.x) knows no API tokens')
  expect(one.code).toBe(exitCodes.denied)
})

describe('403: the login lacks a privilege', () => {
  let privileges: string[]

  beforeEach(async () => {
    privileges = Object.keys(await root.request<Record<string, number>>('GET', '/access/roles/Proxmint'))
  })
  afterEach(() => setPrivileges(privileges))

  const setPrivileges = (names: string[]): Promise<void> =>
    root.request('PUT', '/access/roles/Proxmint', { privs: names.join(',') })
  const without = (...taken: string[]): Promise<void> =>
    setPrivileges(privileges.filter(name => !taken.includes(name)))

  test('a build, for the address the guest agent tells', async () => {
    await without('VM.GuestAgent.Audit')
    expect(await build()).toEqual(
      told(
        `error: ${builder} lacks privileges for \`build debian\`:`,
        '  /vms: VM.GuestAgent.Audit (ask the guest agent for the address)',
        'hint: as root on a node:',
        "  pveum role modify Proxmint -append 1 -privs 'VM.GuestAgent.Audit'",
      ),
    )
  })

  test('it is told within a second of the first question to Proxmox', async () => {
    await without('VM.GuestAgent.Audit')
    const proxy = await listenFor(lab.url)
    const { code } = await build({ PROXMOX_URL: proxy.url })
    const took = performance.now() - proxy.firstAskedAt()
    expect(code).toBe(exitCodes.denied)
    expect(took).toBeLessThan(1000 * (await slowness()))
  })

  test('a base import, for the download and the ISO', async () => {
    await without('Datastore.AllocateTemplate', 'Sys.Modify', 'VM.GuestAgent.Audit')
    expect(await base()).toEqual(
      told(
        'error: proxmint@pve!lab lacks privileges for `base import debian-12`:',
        '  /nodes/pve: Sys.AccessNetwork (let the node download from a URL)',
        '  /storage/local: Datastore.AllocateTemplate (download the image and upload an ISO)',
        'hint: as root on a node:',
        "  pveum role modify Proxmint -append 1 -privs 'Datastore.AllocateTemplate,Sys.AccessNetwork'",
      ),
    )
  })

  test('the printed line closes the gap', async () => {
    await without('VM.GuestAgent.Audit')
    const { stderr } = await build()
    const [, role, added] = /pveum role modify (\w+) -append 1 -privs '([\w.,]+)'/.exec(stderr)!
    await root.request('PUT', `/access/roles/${role}`, { append: 1, privs: added })
    // The next thing that is missing, which is no privilege.
    expect((await build()).stderr).toContain('error: the base VM proxmint-base-debian-12 is not there')
  })

  test('a bridge the user may not use', async () => {
    const path = '/sdn/zones/localnetwork/vmbr0'
    const acl = { path, users: 'proxmint@pve', roles: 'NoAccess' }
    await root.request('PUT', '/access/acl', acl)
    onTestFinished(() => root.request('PUT', '/access/acl', { ...acl, delete: 1 }))
    const lines = (identity: string, work: string, command: string): ExecResult =>
      told(
        `error: ${identity} lacks privileges for \`${work}\`:`,
        `  ${path}: SDN.Use (attach it to the bridge)`,
        `hint: \`${command}\` prints a script for root on a node, which adds them and takes nothing away`,
      )
    const check = 'zx scripts/check-permissions.mts'
    expect(await build()).toEqual(lines(builder, 'build debian', `${check} --template debian`))
    expect(await base()).toEqual(lines('proxmint@pve!lab', 'base import debian-12', check))
  })
})

/** A wire in front of the lab that knows when somebody first used it. */
async function listenFor(url: string): Promise<{ url: string; firstAskedAt(): number }> {
  let asked: number | undefined
  const server = createServer(socket => {
    asked ??= performance.now()
    const onwards = connect(Number(new URL(url).port), '127.0.0.1')
    socket.pipe(onwards).pipe(socket)
    for (const end of [socket, onwards]) end.on('error', () => end.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return { url: `https://127.0.0.1:${port}/api2/json`, firstAskedAt: () => asked! }
}
