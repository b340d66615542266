/** A run that is stopped in the life of a VM, another run that takes over and ends, and what the first makes of it. */
import { expect } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { getVmStatus } from '../../scripts/lib/proxmox/get-vm-status.mts'
import { changeEntry } from '../change-entry.mts'
import type { VmWorkspace } from './vm-workspace.mts'
import { rootClient } from './workspace.mts'

export const create = ['create', 'web-1', '--apply', '--vmid', '100', '--ip', '192.168.122.200']
export const destroy = ['destroy', 'web-1', '--yes']

export type Command = [name: string, args: string[]]

/**
 * Stops a command at a moment, makes its locks stale as they are after 15 s, lets the other commands run to their ends
 * and continues the first.
 */
export async function overtaken(
  vms: VmWorkspace,
  step: string,
  [name, args]: Command,
  others: Command[],
): Promise<ExecResult> {
  const first = vms.start(name, args, { PROXMINT_TEST_STOP_AT: step })
  try {
    await first.untilStopped()
    await vms.ageLocks()
    for (const other of others) await succeed(vms, ...other)
  } finally {
    first.signal('SIGCONT')
  }
  return first.ended
}

/** Runs a command that must succeed. */
export async function succeed(vms: VmWorkspace, name: string, args: string[]): Promise<void> {
  const { code, stderr } = await vms.run(name, args)
  expect(stderr).not.toContain('error:')
  expect(code).toBe(0)
}

/** Lets a VM be expired since a minute. */
export async function expire(vms: VmWorkspace, name: string): Promise<void> {
  const expiresAt = new Date(Date.now() - 60_000).toISOString()
  await changeEntry(vms.registry, name, entry => ({ ...entry, expiresAt }))
}

/** Checks that there is one VM, which agrees with its entry, its folder and its state, and nothing else. */
export async function expectWhole(lab: Lab, vms: VmWorkspace, phase: 'active' | 'suspended'): Promise<void> {
  const [entry, ...more] = await vms.registry.list()
  expect(more).toEqual([])
  expect(entry).toMatchObject({ name: 'web-1', phase, vmid: 100, failure: null })
  expect(entry!.history.filter(({ what }) => what.includes('failed'))).toEqual([])
  const snippet = `local:snippets/proxmint-web-1-${entry!.id}.yaml`
  expect(await vms.left()).toEqual(['VM 100 web-1', snippet, 'vms/web-1'])
  const { status } = await getVmStatus(rootClient(lab), { node: 'pve', vmid: 100 })
  expect(status).toBe(phase === 'active' ? 'running' : 'stopped')
  expect(await vms.json('apply', 'web-1')).toMatchObject([{ did: 'nothing' }])
}
