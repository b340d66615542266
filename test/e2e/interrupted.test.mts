import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import type { ProxmoxClient } from '../../scripts/lib/proxmox/client.mts'
import { listVms } from '../../scripts/lib/proxmox/list-vms.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { listReservations } from '../../scripts/lib/templates/reservations.mts'
import { startLabWith } from './golden.mts'
import { createWorkspace, rootClient, type Started, type Workspace } from './workspace.mts'

let lab: Lab
let root: ProxmoxClient
let workspace: Workspace

beforeAll(async () => {
  lab = await startLabWith('base')
  root = rootClient(lab)
})
afterAll(() => lab.close())
beforeEach(async () => {
  workspace = await createWorkspace(lab)
})
afterEach(() => workspace[Symbol.asyncDispose]())

const notBase = async (): Promise<number[]> =>
  (await listVms(root)).map(vm => vm.vmid).filter(vmid => vmid < 9900)

/** Waits until Packer works on its VM, which is running then. */
async function startBuild(): Promise<Started> {
  const build = workspace.start('build', ['debian'])
  for (let i = 0; i < 300; i++) {
    if ((await listVms(root)).some(vm => vm.vmid < 9900 && vm.status === 'running')) return build
    await sleep(100)
  }
  throw new Error(`the build never started its VM: ${(await build.ended).stderr}`)
}

test('Ctrl-C ends Packer, exits with 130 and leaves no VM and no reservation', async () => {
  const build = await startBuild()
  build.signal('SIGINT')
  const { code, stderr } = await build.ended
  expect(stderr).toContain('error: interrupted: packer build debian')
  expect(code).toBe(exitCodes.interrupted)
  expect(await notBase()).toEqual([])
  expect(await listReservations(workspace.stateDir)).toEqual([])
})

test('after kill -9 the next run ends the orphaned Packer, removes its VM and builds', async () => {
  const build = await startBuild()
  build.signal('SIGKILL')
  await build.ended
  const [left] = await listReservations(workspace.stateDir)
  expect(left).toMatchObject({ purpose: 'build debian', child: { program: 'packer' } })
  expect(await notBase()).toEqual([left!.vmid])
  const orphan = left!.child!.pid
  expect(isAlive(orphan)).toBe(true)

  const { code, stdout, stderr } = await workspace.zx('build', ['debian', '--json'])
  expect(stderr).toContain(`removed VM ${left!.vmid}, left by \`build debian\``)
  expect(code).toBe(0)
  expect(isAlive(orphan)).toBe(false)
  expect(await readdir(join(workspace.stateDir, 'packaged')).catch(() => [])).toEqual([])
  const built = (JSON.parse(stdout) as { template: { vmid: number } }).template.vmid
  expect(await notBase()).toEqual([built])
  expect(await listReservations(workspace.stateDir)).toEqual([])
})

test('a VM that somebody else made under the reserved number is left alone', async () => {
  const build = await startBuild()
  build.signal('SIGKILL')
  await build.ended
  const [left] = await listReservations(workspace.stateDir)
  await root.request('PUT', `/nodes/pve/qemu/${left!.vmid}/config`, {
    name: 'mine',
    description: 'not yours',
  })

  const { stderr } = await workspace.zx('build', ['debian'])
  expect(stderr).toContain(`VM ${left!.vmid} (mine) is not the one of \`build debian\`: left alone`)
  expect(await notBase()).toContain(left!.vmid)
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
