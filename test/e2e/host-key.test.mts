/** The node's SSH host key, pinned in the credentials: for the provider, and for the doctor's login. */
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { openNodeHome } from '../../scripts/lib/credentials/node-home.mts'
import type { Diagnosis } from '../../scripts/lib/doctor/diagnosis.mts'
import { requireTool } from '../../scripts/lib/tools/find.mts'
import { tokenLogin } from './opentofu.mts'
import { createWorkspace, repository, startLab, type Workspace } from './workspace.mts'

const OTHER_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHN6BwCrxpGnUyJvYF0EpiBLOkPxrRYYGtlpW7g2wLhh'

let lab: Lab
let workspace: Workspace
let folder: string

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
  workspace = await createWorkspace(lab)
  folder = await mkdtemp(join(tmpdir(), 'proxmint-host-key-'))
  await cp(join(repository, 'test/fixtures/opentofu-snippet'), folder, { recursive: true })
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await lab.close()
  await rm(folder, { recursive: true, force: true })
})

const keyOfNode = (): string => lab.nodeSsh.hostKey.split(' ').slice(0, 2).join(' ')

/** Runs OpenTofu with the environment that a VM's run has. */
async function tofu(args: string[], pinned: string | undefined): Promise<ExecResult> {
  await using home = await openNodeHome(pinned)
  const [program, provider] = await Promise.all([requireTool('opentofu'), requireTool('proxmox-provider')])
  const env = { ...provider.env, ...tokenLogin(lab), SSL_CERT_FILE: lab.caFile, HOME: folder, ...home.env }
  // Awaited here: the home is removed when this function returns.
  return await lab.exec([program.file, ...args, '-no-color'], { cwd: folder, env })
}

async function doctor(pinned: string | undefined): Promise<Diagnosis[]> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const env = { HOME: workspace.folder, XDG_CACHE_HOME: cache, PROXMOX_SSH_HOST_KEY: pinned ?? '' }
  const { stdout } = await workspace.zx('doctor', ['--json'], env)
  const { findings } = JSON.parse(stdout) as { findings: Diagnosis[] }
  return findings.filter(({ area }) => area === 'node SSH')
}

/** On loopback the address that Proxmox tells for the node's SSH is not the lab's. */
const hasNodeSsh = (): boolean => lab.isolation.kind !== 'loopback'

test('the provider uploads nothing to a node with another key', async context => {
  if (!hasNodeSsh()) return context.skip('on loopback the node has no SSH at the address that Proxmox tells')
  expect(await tofu(['init'], undefined)).toMatchObject({ code: 0 })
  const refused = await tofu(['apply', '-auto-approve'], OTHER_KEY)
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('HOST IDENTIFICATION HAS CHANGED')
  expect(await tofu(['apply', '-auto-approve'], keyOfNode())).toMatchObject({ code: 0 })
})

test('the doctor logs in to the pinned key alone, and prints the key to pin', async context => {
  if (!hasNodeSsh()) return context.skip('on loopback the node has no SSH at the address that Proxmox tells')
  const [fault] = await doctor(OTHER_KEY)
  expect(fault).toMatchObject({ level: 'fault', fix: expect.stringContaining('proxmox_ssh_host_key') })
  expect(await doctor(keyOfNode())).toEqual([{ area: 'node SSH', level: 'ok', what: 'root@192.168.122.1' }])
  const [, note] = await doctor(undefined)
  expect(note).toMatchObject({
    level: 'note',
    fix: expect.stringContaining(`proxmox_ssh_host_key: ${keyOfNode()}`),
  })
})
