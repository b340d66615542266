import { join } from 'node:path'
import { siteTagOf } from '../config/site-tag.mts'
import { getVmConfig } from '../proxmox/get-vm-config.mts'
import { disksOf } from '../proxmox/vm-devices.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { exitCodes, interrupted, ProxmintError } from '../run/errors.mts'
import { withLock } from '../run/lock.mts'
import { type Progress, say, withProgress } from '../run/progress.mts'
import { type Connection, cleaningOf } from '../site/connect.mts'
import { tryRemoveReserved } from '../site/remove-leftovers.mts'
import { reserveVm } from '../site/reserve.mts'
import type { Reservation } from '../templates/reservations.mts'
import { sharedAddress } from './addresses.mts'
import type { CheckResult } from './check.mts'
import { judge } from './checks.mts'
import { type AcceptanceTarget, type CloneRole, GROWN_BYTES, makeClone, type Testing } from './clone.mts'
import type { Evidence } from './evidence.mts'
import { observeClone } from './observe.mts'
import { createSshKey, GUEST_SSH_VARIABLE } from './ssh.mts'

export interface AcceptanceReport {
  passed: boolean
  /** Start: ISO 8601, UTC. */
  at: string
  seconds: number
  /** Checks with evidence, in the order of the documentation. */
  checks: CheckResult[]
  /** `NAME VERSION` of every package, sorted. */
  packages: string[]
}

const WAIT_FOR_ADDRESS_MS = 60 * 60_000

/**
 * Tests a VM template on two full clones, and removes them in any case. A failed check is part of the report, not an
 * error.
 * @throws ProxmintError If the test was not possible: an operation of Proxmox failed, or it was interrupted.
 */
export async function acceptTemplate(
  connection: Connection,
  target: AcceptanceTarget,
  signal: AbortSignal,
): Promise<AcceptanceReport> {
  const at = new Date()
  const evidence = await withTestAddress(connection, signal, either =>
    withProgress(`test ${target.name}, VM ${target.vmid}, on two clones`, progress =>
      gather(connection, target, either, progress),
    ),
  )
  const checks = judge(evidence)
  return {
    passed: checks.every(({ passed }) => passed),
    at: at.toISOString(),
    seconds: (Date.now() - at.getTime()) / 1000,
    checks,
    packages: evidence.clones[0].inside?.packages ?? [],
  }
}

/** Locks `test_address`, which only one clone can have. Without that setting tests do not wait for each other. */
async function withTestAddress<T>(
  { config }: Connection,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (config.testAddress === undefined) return work(signal)
  const lock = {
    path: join(config.stateDir, 'test-address'),
    purpose: 'acceptance test',
    waitMs: WAIT_FOR_ADDRESS_MS,
  }
  return withLock(lock, lost => work(AbortSignal.any([signal, lost])))
}

async function gather(
  connection: Connection,
  target: AcceptanceTarget,
  signal: AbortSignal,
  progress: Progress,
): Promise<Evidence> {
  const template = await getVmConfig(connection.client, target)
  if (template['template'] !== 1) throw noTemplate(target)
  await using key = await createSshKey()
  await using reserved = await reserveClones(connection, target)
  checkpoint('test-reserved')
  const testing: Testing = { connection, target, key, signal }
  const clones = await bothOf(reserved.clones, signal, async ([role, reservation], either) => {
    const made = await makeClone({ ...testing, signal: either }, role, reservation)
    checkpoint('test-started')
    progress.update(`VM ${reservation.vmid} boots`)
    return observeClone({ ...testing, signal: either }, role, made)
  })
  const ownNetwork = !process.env[GUEST_SSH_VARIABLE]
  // With a shared address both sessions may have reached the same clone.
  if (ownNetwork && sharedAddress(clones) !== undefined) clones[1].inside = undefined
  return {
    settings: target.family.acceptance,
    disks: disksOf(template),
    clones,
    grownBytes: GROWN_BYTES,
    ownNetwork,
    bootSeconds: connection.config.testBootTimeoutSeconds,
  }
}

function noTemplate({ vmid }: AcceptanceTarget): ProxmintError {
  return new ProxmintError(`VM ${vmid} is not a VM template`, {
    hint: 'the test needs a finished VM template',
    exitCode: exitCodes.invalid,
  })
}

type Clones = [[CloneRole, Reservation], [CloneRole, Reservation]]

interface ReservedClones extends AsyncDisposable {
  clones: Clones
}

/** Reserves both VMIDs before the first clone is created. The dispose function removes the clones. */
async function reserveClones(
  connection: Connection,
  { os, node }: AcceptanceTarget,
): Promise<ReservedClones> {
  const { client, config } = connection
  const made: Reservation[] = []
  const dispose = async (): Promise<void> => {
    const lines = await Promise.all(made.map(one => tryRemoveReserved(cleaningOf(connection), one)))
    for (const line of lines.filter(text => text.startsWith('warning:'))) say(line)
  }
  const reserve = async (role: CloneRole): Promise<[CloneRole, Reservation]> => {
    const reservation = await reserveVm(client, config.stateDir, {
      range: config.templateVmidRange,
      node,
      name: `proxmint-test-${os}-${role === 'grown' ? 1 : 2}`,
      tags: [siteTagOf(config), 'acceptance-test'],
      purpose: `test ${os}`,
    })
    made.push(reservation)
    return [role, reservation]
  }
  try {
    const clones: Clones = [await reserve('grown'), await reserve('watched')]
    return { clones, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** Runs the work on both at the same time. If one fails, the signal stops the other, and this waits for its end. */
async function bothOf<T, R>(
  [first, second]: [T, T],
  signal: AbortSignal,
  work: (one: T, signal: AbortSignal) => Promise<R>,
): Promise<[R, R]> {
  const failed = new AbortController()
  const either = AbortSignal.any([signal, failed.signal])
  const errors: unknown[] = []
  const guarded = (one: T): Promise<R | undefined> =>
    work(one, either).catch(error => {
      errors.push(error)
      failed.abort()
      return undefined
    })
  const results = await Promise.all([guarded(first), guarded(second)])
  if (signal.aborted) throw interrupted('the acceptance test')
  if (errors.length > 0) throw errors[0]
  return results as [R, R]
}
