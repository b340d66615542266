import { setTimeout as sleep } from 'node:timers/promises'
import { mintsBeforeBoot } from '../../credential/vm-token.mts'
import { getVmConfig, type VmConfig } from '../../proxmox/get-vm-config.mts'
import { advance, type Entry, type Phase, type VmDesign } from '../../registry/entry.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { messageOf } from '../../run/errors.mts'
import { say } from '../../run/progress.mts'
import type { VmContext } from '../context.mts'
import { requireMade } from '../look/locate.mts'
import { slotsOf } from '../look/parts.mts'
import { dataDiskSlots, withDisksIn } from '../shape/data-disks.mts'
import { deviceSlots, withDevicesIn } from '../shape/devices.mts'
import { converge } from '../stack/converge.mts'
import { requireDesign } from '../stack/folder.mts'
import { bootVm } from './boot.mts'
import { notingFailure } from './failure.mts'
import { mintToken } from './token.mts'

interface Step {
  name: string
  next: Phase
  reached: string
  /** May be done again, wholly or in part. @returns what else is known of the VM then. */
  act(entry: Entry, context: VmContext): Promise<Partial<Entry> | undefined>
}

const create: Step = { name: 'create', next: 'created', reached: 'vm-created', act: createOff }
const mint: Step = { name: 'mint', next: 'minted', reached: 'vm-minted', act: mintToken }
const boot: Step = { name: 'boot', next: 'active', reached: 'vm-active', act: bootVm }

/** The provider must not repeat a clone: it would take a VM of somebody else's for the result of its first try. */
const CREATE_TRIES = 3
const RETRY_MS = 10_000
/** A lock or worker of Proxmox was not to be had in time, or a gateway before it had no answer. */
const BUSY = /error cloning VM:[\s\S]*(got timeout|got no worker upid|HTTP 5(02|03|04|95|96) )/

/** Names the step that takes a VM to its next phase; undefined where no step is left. */
function stepOf(entry: Entry): Step | undefined {
  if (entry.phase === 'reserved') return create
  // A VM that is rebuilt keeps its token.
  if (entry.phase === 'created')
    return mintsBeforeBoot(entry) && entry.token?.status !== 'minted' ? mint : boot
  return entry.phase === 'minted' ? boot : undefined
}

/** Whether `takeStep` brings the VM further. */
export function isUnfinished(entry: Entry): boolean {
  return stepOf(entry) !== undefined
}

/**
 * Takes a VM one phase further. The caller holds the VM's lock.
 * @throws ProxmintError; the entry keeps its phase, with where and why it stopped.
 */
export async function takeStep(entry: Entry, context: VmContext): Promise<Entry> {
  const step = stepOf(entry)!
  const { store } = context
  const learned = await notingFailure(store, entry, step.name, () => step.act(entry, context))
  const advanced = await store.change(entry, one => advance({ ...one, ...learned }, step.next, new Date()))
  checkpoint(step.reached)
  return advanced
}

/**
 * Makes the VM, powered off. A clone that Proxmox was too busy for is tried again.
 * @returns its design with the devices and disks that it has then.
 */
async function createOff(before: Entry, context: VmContext): Promise<Partial<Entry>> {
  for (let tries = 1; ; tries++) {
    try {
      const { entry } = await converge(before, { started: false, intent: 'create', step: 'create' }, context)
      await requireMade(context.connection, entry)
      const config = await getVmConfig(context.connection.client, { node: entry.node!, vmid: entry.vmid })
      return { design: asMade(requireDesign(before), config) }
    } catch (error) {
      if (tries === CREATE_TRIES || context.signal.aborted || !BUSY.test(messageOf(error))) throw error
      say(`Proxmox is too busy to clone ${before.name}: trying again in ${RETRY_MS / 1000} s`)
      await sleep(RETRY_MS)
    }
  }
}

/** The design with the slots, data disks and devices that the new VM has. Slots of the latter two may be somebody's later. */
function asMade(design: VmDesign, config: VmConfig): VmDesign {
  const [disks, devices] = [dataDiskSlots(design, config), deviceSlots(design, config)]
  const made = slotsOf(config).filter(slot => !disks.has(slot) && !devices.has(slot))
  return { ...withDevicesIn(withDisksIn(design, config, 0), config), made }
}
