/** What edits mean for the VM as it is now: off, or running with a config that may differ from the one that waits. Pure. */
import type { VmConfig } from '../../proxmox/get-vm-config.mts'
import type { Edit } from './edit.mts'
import { type Effect, effectOn } from './hotplug.mts'

/** Edits of a VM that is off: nothing of it is rebooted. */
export function whileOff(edits: readonly Edit[]): Edit[] {
  return edits.map(edit => withEffect(edit, 'nothing'))
}

/**
 * Edits of a VM that runs. What an edit costs follows from the config that the VM runs with. A value that is set already, and
 * waits for a start, needs the reboot alone.
 * @param edits by the config with what waits.
 * @param late by the config that the VM runs with.
 */
export function whileRunning(edits: readonly Edit[], late: readonly Edit[], running: VmConfig): Edit[] {
  // What the VM runs with already needs no reboot, whatever else of the same option waits for somebody.
  const has = ({ change }: Edit): boolean => !late.some(one => one.change.what === change.what)
  const now = edits.map(edit => withEffect(edit, has(edit) ? 'nothing' : effectOf(edit, running)))
  const waiting = late.filter(
    ({ grow, change }) => grow === undefined && !edits.some(edit => edit.change.what === change.what),
  )
  return [...now, ...waiting.map(({ change }) => waitingEdit(change)), ...powerCycle(edits)]
}

/** A VM is powered off and on for edits that a running machine must not see. */
function powerCycle(edits: readonly Edit[]): Edit[] {
  if (!edits.some(({ off }) => off)) return []
  return [{ change: { what: POWER, from: 'on', to: 'off and on again', cost: 'reboot' }, effect: 'reboot' }]
}

const POWER = 'power'

/** Checks whether an edit stands for the power of the VM, off and on again. */
export function isPowerCycle({ change }: Edit): boolean {
  return change.what === POWER
}

function waitingEdit(change: Edit['change']): Edit {
  return { change: { ...change, cost: change.cost ?? 'reboot' }, effect: 'reboot' }
}

/** The dearest effect of the options that an edit sets and removes. A disk grows while the VM runs. */
function effectOf({ set = {}, remove = [], grow, atBoot }: Edit, running: VmConfig): Effect {
  if (atBoot) return 'reboot'
  const effects = [
    ...Object.entries(set).map(([key, value]) => effectOn(running, key, String(value))),
    ...remove.map(key => effectOn(running, key, undefined)),
    ...(grow === undefined ? [] : ['hot' as const]),
  ]
  return (['reboot', 'hot'] as const).find(effect => effects.includes(effect)) ?? 'nothing'
}

/** A device that goes, or data that are lost, cost that whatever else they cost. */
function withEffect(edit: Edit, effect: Effect): Edit {
  const { change } = edit
  const isDearer = change.cost === 'remove' || change.cost === 'data-loss'
  const cost = isDearer ? change.cost : effect === 'reboot' ? 'reboot' : null
  return { ...edit, change: { ...change, cost }, effect }
}
