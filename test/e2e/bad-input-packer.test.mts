import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { startLabWith } from './golden.mts'
import { leftovers } from './leftovers.mts'
import { run } from './outside.mts'
import { createWorkspace, rootClient, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace
const mounted: string[] = []

beforeAll(async () => {
  lab = await startLabWith('base')
  root = rootClient(lab)
})
afterAll(() => lab.close())
beforeEach(async () => {
  workspace = await createWorkspace(lab)
})
afterEach(async () => {
  for (const path of mounted.splice(0)) await run(workspace, ['umount', path])
  await workspace[Symbol.asyncDispose]()
})

test("a provisioner that fails: Packer's words, its log, and no VM", async () => {
  await workspace.edit('packer/common/check-cloud-init.sh', 'set -eu', 'echo no such mirror >&2; exit 1')
  const { code, stdout, stderr } = await workspace.zx('build', ['debian'])
  const [vmid] = workspace.vmids
  const log = join('logs', `build-debian-${vmid}.log`)
  expect({ code, stdout }).toEqual({ code: exitCodes.failed, stdout: '' })
  const path = join(workspace.stateDir, log)
  // A base VM that was made just now is waited for.
  const lines = withoutTimes(stderr).filter(line => !line.startsWith('wait until Proxmox lists'))
  expect(lines.slice(0, 4)).toEqual([
    `packer build debian, VM ${vmid} ...`,
    `packer build debian, VM ${vmid}: failed in TIME`,
    `nothing is left of \`build debian\` (VM ${vmid})`,
    'error: packer build debian failed (exit code 1):',
  ])
  expect(lines.slice(4, -2).join('\n')).toMatch(
    /debian: no such mirror\n.*Provisioning step had errors.*\n[\s\S]*Script exited with non-zero exit status: 1/,
  )
  expect(lines.slice(-2)).toEqual([`  log: ${path}`, `hint: the whole log is in ${path}`])
  expect(await readFile(path, 'utf8')).toContain('no such mirror')
  expect(await leftovers(root, workspace)).toEqual([log])
})

/** Lines of stderr, without what differs from run to run. */
const withoutTimes = (text: string): string[] =>
  text
    .trimEnd()
    .replaceAll(/ in [\d.]+ s$/gm, ' in TIME')
    .split('\n')

describe.skipIf(process.getuid?.() !== 0)('a full disk (mounting a small one takes root)', () => {
  /** Mounts a file system of this many KiB in the workspace until the end of the test. */
  async function mountSmall(folder: string, sizeKib: number): Promise<string> {
    const path = join(workspace.folder, folder)
    await mkdir(path, { recursive: true })
    const mounting = ['mount', '-t', 'tmpfs', '-o', `size=${sizeKib}k`, 'proxmint-test', path]
    expect(await run(workspace, mounting)).toMatchObject({ code: 0 })
    mounted.push(path)
    return path
  }

  const fill = (folder: string): Promise<void> =>
    writeFile(join(folder, 'filler'), 'x'.repeat(2 ** 20)).catch(() => undefined)

  test('before the build begins', async () => {
    await fill(await mountSmall('.proxmint', 8))
    const { code, stderr } = await workspace.zx('build', ['debian'])
    expect(stderr).toMatch(
      new RegExp(`^error: cannot write ${workspace.stateDir}/[\\w./-]+: no space left on the device\n`),
    )
    expect(stderr).toContain(`hint: free some space on the file system of ${workspace.stateDir}`)
    expect(code).toBe(exitCodes.failed)
    expect(await leftovers(root, workspace)).toEqual(['filler'])
  })

  test('when a base import writes down what it will make', async () => {
    await fill(await mountSmall('.proxmint', 8))
    await workspace.edit('config/proxmint.yaml', 'debian-12:', 'debian-other:')
    const { code, stderr } = await workspace.zx('base', ['import', 'debian-other'])
    expect(withoutTimes(stderr).slice(2)).toEqual([
      `error: cannot write ${workspace.stateDir}/reservations.json: no space left on the device`,
      `hint: free some space on the file system of ${workspace.stateDir}`,
    ])
    expect(code).toBe(exitCodes.failed)
    expect(await leftovers(root, workspace)).toEqual(['filler'])
  })

  test('where only the log is written: the build goes on and says so', async () => {
    await fill(await mountSmall('.proxmint/logs', 4))
    const { code, stdout, stderr } = await workspace.zx('build', ['debian', '--no-test'])
    const [vmid] = workspace.vmids
    const log = join(workspace.stateDir, `logs/build-debian-${vmid}.log`)
    expect(withoutTimes(stderr)).toEqual([
      `packer build debian, VM ${vmid} ...`,
      `packer build debian, VM ${vmid}: done in TIME`,
      `warning: the log is incomplete: cannot write ${log}: no space left on the device`,
    ])
    expect(stdout).toContain(`VM template ${vmid} (debian-`)
    expect(code).toBe(0)
  })

  test('while Packer works: no VM stays, and the next build works', async () => {
    const folder = await mountSmall('.proxmint', 512)
    const build = workspace.start('build', ['debian'])
    const [vmid] = workspace.vmids
    const works = async () => (await listVms(root)).some(vm => vm.vmid === vmid && vm.status === 'running')
    const early = build.ended.then(({ stderr }) => {
      throw new Error(`it ended before the VM ran: ${stderr}`)
    })
    while (!(await works())) await Promise.race([sleep(100), early])
    early.catch(() => undefined)
    await fill(folder)
    const { code, stderr } = await build.ended
    expect(stderr).toContain(`what \`build debian\` began as VM ${vmid} is not all removed`)
    expect(stderr).toContain('the next run tries again\n')
    expect(stderr).toContain('no space left on device\n')
    expect(stderr).toContain('  why: a disk is full\n')
    expect(stderr).toContain('hint: free space on the storage, or here\n')
    expect(code).toBe(exitCodes.failed)
    const left = [`reservation of ${vmid}`, 'filler', `logs/build-debian-${vmid}.log`]
    expect(await leftovers(root, workspace)).toEqual(left)
    await rm(join(folder, 'filler'))
    expect(await workspace.zx('build', ['debian', '--no-test'])).toMatchObject({ code: 0 })
  })
})
