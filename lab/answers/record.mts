/** Runs a sequence on somebody's Proxmox, on VMs of its own, and removes them. */

import { LabError, LabUsageError } from '../core/lab-error.mts'
import { compareAnswers } from './compare.mts'
import { normalAnswer } from './normal.mts'
import { inWordsOfSequence, isOwn, madeVmid, type Names, ownStep } from './own.mts'
import { act, answerOf, ask } from './replay.mts'
import type { Step } from './sequence.mts'
import type { Session } from './session.mts'

/** Pool of all VMs that a recording makes. */
const POOL = 'pve-lab-record'

interface RecordOptions {
  /** VMID n of the sequence becomes `block * 1000 + n`. */
  block: number
  /** Default: the only node. */
  node: string | undefined
  storages: Record<string, string>
  onProgress(line: string): void
}

export interface Recording {
  /** The steps that were sent, with the answers of this Proxmox in the words of the sequence. */
  steps: Step[]
  /** Version of Proxmox, types of the storages, and the day. */
  about: Record<string, unknown>
  /** How many answers the sequence had, and how many of them are the same here. */
  compared: number
  equal: number
}

interface Vm {
  vmid: number
  node: string
}

async function namesOf(session: Session, { block, node, storages }: RecordOptions): Promise<Names> {
  const nodes = (await ask(session, '/nodes')) as { node: string }[]
  const here = node ?? nodes[0]?.node
  if (here === undefined || (node === undefined && nodes.length > 1))
    throw new LabUsageError(
      `this Proxmox has ${nodes.length} nodes`,
      `give the one for the VMs: --node ${here ?? 'NAME'}`,
    )
  return { block, node: here, storages, pool: POOL, login: session.login }
}

/** @throws {LabUsageError} for a VMID of the sequence that somebody has, also one that the login cannot see. */
async function requireFree(session: Session, names: Names, steps: readonly Step[]): Promise<void> {
  const wanted = new Set(steps.map(step => madeVmid(ownStep(names, step))).filter(each => each !== undefined))
  for (const vmid of wanted)
    await ask(session, `/cluster/nextid?vmid=${vmid}`).catch(({ message }) => {
      throw new LabUsageError(
        `VMID ${vmid} cannot be used: ${message}`,
        'give another block: --block N takes the VMIDs from N000 to N999',
      )
    })
}

/** Makes the pool. @throws {LabError} if it is there, or if the login could not find its VMs again. */
async function makePool(session: Session): Promise<void> {
  const comment = 'pve-lab record: is removed at its end'
  await act(session, 'POST', '/pools', { poolid: POOL, comment }).catch(({ message }) => {
    throw new LabError(
      `the pool ${POOL} cannot be made: ${message}`,
      'if an earlier recording left it, `pve-lab record --clean` removes it and its VMs; else the login needs Pool.Allocate on /pool',
    )
  })
  await pooledVms(session).catch(async ({ message }) => {
    await act(session, 'DELETE', `/pools/${POOL}`)
    throw new LabError(
      `the pool ${POOL} cannot be read: ${message}`,
      `the login needs Pool.Audit on /pool/${POOL}`,
    )
  })
}

async function removeVm(session: Session, { node, vmid }: Vm): Promise<void> {
  const path = `/nodes/${node}/qemu/${vmid}`
  const { status } = (await ask(session, `${path}/status/current`)) as { status: string }
  if (status === 'running') await act(session, 'POST', `${path}/status/stop`)
  const { protection, lock } = (await ask(session, `${path}/config`)) as Record<string, unknown>
  if (lock !== undefined) await act(session, 'PUT', `${path}/config`, { delete: 'lock', skiplock: 1 })
  if (protection === 1) await act(session, 'PUT', `${path}/config`, { protection: 0 })
  await act(session, 'DELETE', path, { purge: 1, 'destroy-unreferenced-disks': 1 })
}

/** VMs of the pool, linked clones before their templates: a later VM can hang on an earlier one. */
async function pooledVms(session: Session): Promise<Vm[]> {
  const { members } = (await ask(session, `/pools/${POOL}`)) as { members: (Vm & { type: string })[] }
  return members.filter(({ type }) => type === 'qemu').sort((a, b) => b.vmid - a.vmid)
}

function ifNoPool(error: Error): undefined {
  if (!error.message.includes('does not exist')) throw error
}

/**
 * Removes the VMs of the recordings' pool, and the pool. A VM that somebody else put there stays.
 * @returns the removed VMIDs. @throws {LabError} that names what is left.
 */
export async function cleanRecording(session: Session, block: number): Promise<number[]> {
  const pooled = await pooledVms(session).catch(ifNoPool)
  if (pooled === undefined) return []
  const own = pooled.filter(({ vmid }) => Math.floor(vmid / 1000) === block)
  const failures: string[] = []
  for (const vm of own) await removeVm(session, vm).catch(({ message }) => failures.push(message))
  await act(session, 'DELETE', `/pools/${POOL}`).catch(({ message }) => failures.push(message))
  if (failures.length > 0)
    throw new LabError(
      `${failures.length} things of the recording could not be removed: ${failures.join('; ')}`,
      `look at the pool ${POOL}, then \`pve-lab record --clean\` once more`,
    )
  return own.map(({ vmid }) => vmid)
}

async function aboutThis(session: Session, { node, storages }: Names): Promise<Record<string, unknown>> {
  const { version } = (await ask(session, '/version')) as { version: string }
  const list = (await ask(session, `/nodes/${node}/storage`)) as { storage: string; type: string }[]
  const types = Object.entries(storages).map(([name, here]) => [
    name,
    list.find(({ storage }) => storage === here)?.type ?? 'not there',
  ])
  return { version, storages: Object.fromEntries(types), date: new Date().toISOString().slice(0, 10) }
}

async function recordStep(session: Session, names: Names, step: Step): Promise<Step> {
  const answer = await answerOf(session, ownStep(names, step))
  return { ...step, answer: inWordsOfSequence(names, normalAnswer(answer, [])) }
}

function isEqual(step: Step, recorded: Step): boolean {
  return compareAnswers(normalAnswer(step.answer!, []), recorded.answer!).length === 0
}

/**
 * Sends the steps that touch nothing but VMs of the sequence, in order. What they made is removed at the end.
 * @throws {LabUsageError} before the first change, for VMIDs that are taken. @throws {LabError}
 */
export async function recordSequence(
  session: Session,
  steps: readonly Step[],
  options: RecordOptions,
  signal: AbortSignal,
): Promise<Recording> {
  const names = await namesOf(session, options)
  const own = steps.filter(isOwn)
  const about = await aboutThis(session, names)
  await makePool(session)
  const recorded: Step[] = []
  try {
    await requireFree(session, names, own)
    for (const step of own) {
      if (signal.aborted) break
      recorded.push(await recordStep(session, names, step))
    }
  } finally {
    options.onProgress(`Removing the VMs of the pool ${POOL} ...`)
    await cleanRecording(session, options.block)
  }
  const pairs = recorded.map((step, index) => [own[index]!, step] as const).filter(([step]) => step.answer)
  return {
    steps: recorded,
    about,
    compared: pairs.length,
    equal: pairs.filter(pair => isEqual(...pair)).length,
  }
}
