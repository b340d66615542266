import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { codeOf, ProxmintError } from '../run/errors.mts'
import { withLock } from '../run/lock.mts'

/**
 * A VM that a run is about to make, written down before Proxmox is asked for it. What is found here at the
 * next start was left by a run that died, and is removed.
 */
export interface Reservation {
  vmid: number
  node: string
  /**
   * Random, and part of the VM's name or description as soon as there is one: a VM that another run made
   * under the same VMID, even from the same inputs, is never taken for this one.
   */
  buildId: string
  /** The name it is to have when it is done. */
  name: string
  /** Tags it is to carry when it is done. */
  tags: string[]
  /** What it is for: `build debian`. */
  purpose: string
  /** ISO 8601. */
  since: string
  /** The run that holds it. */
  pid: number
  host: string
  /** The program it started that works on the VM, which may have outlived it. */
  child?: { pid: number; program: string } | undefined
  /** Volumes made for this run alone: `local:iso/proxmint-base-debian-12-0a1b2c3d4e5f.iso`. */
  volumes: string[]
}

interface ReservationFile {
  version: 1
  reservations: Reservation[]
}

/** Longer than a run that was killed keeps its lock. */
const waitForLockMs = 20_000

function path(stateDir: string): string {
  return join(stateDir, 'reservations.json')
}

/** @throws ProxmintError when the file is there but cannot be understood: nothing is guessed from it. */
export async function listReservations(stateDir: string): Promise<Reservation[]> {
  let text: string
  try {
    text = await readFile(path(stateDir), 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
  const file = parse(text)
  if (file !== undefined) return file.reservations
  throw new ProxmintError(`${path(stateDir)} is no list of reservations`, {
    hint: 'it lists VMs that were being built: check those by hand in Proxmox, then delete the file',
  })
}

function parse(text: string): ReservationFile | undefined {
  try {
    const file = JSON.parse(text) as Partial<ReservationFile> | null
    const understood = file?.version === 1 && file.reservations?.every(one => Number.isInteger(one?.vmid))
    return understood ? (file as ReservationFile) : undefined
  } catch {
    return undefined
  }
}

/** Of the reservations this very process made: a process id alone can be that of a run before it. */
const ownBuildIds = new Set<string>()

/** Whether this process made the reservation. */
export function isOwnReservation({ buildId }: Reservation): boolean {
  return ownBuildIds.has(buildId)
}

/** Adds a reservation; `pick` chooses the VMID while nobody else can, knowing those already taken. */
export async function addReservation(
  stateDir: string,
  pick: (reserved: ReadonlySet<number>) => Promise<Reservation>,
): Promise<Reservation> {
  return changing(stateDir, async reservations => {
    const added = await pick(new Set(reservations.map(({ vmid }) => vmid)))
    ownBuildIds.add(added.buildId)
    return { reservations: [...reservations, added], result: added }
  })
}

/** Adds what became known since. */
export async function updateReservation(
  stateDir: string,
  vmid: number,
  known: Partial<Pick<Reservation, 'child' | 'volumes'>>,
): Promise<void> {
  await changing(stateDir, async reservations => ({
    reservations: reservations.map(r => (r.vmid === vmid ? { ...r, ...known } : r)),
    result: undefined,
  }))
}

/** Drops a reservation: its VM is finished, or Proxmox confirmed that it is gone. */
export async function dropReservation(stateDir: string, vmid: number): Promise<void> {
  await changing(stateDir, async reservations => ({
    reservations: reservations.filter(reservation => reservation.vmid !== vmid),
    result: undefined,
  }))
}

async function changing<T>(
  stateDir: string,
  change: (reservations: Reservation[]) => Promise<{ reservations: Reservation[]; result: T }>,
): Promise<T> {
  const file = path(stateDir)
  return withLock({ path: file, purpose: 'writing reservations', waitMs: waitForLockMs }, async () => {
    const { reservations, result } = await change(await listReservations(stateDir))
    if (reservations.length === 0) await rm(file, { force: true })
    else await writeFileAtomic(file, `${JSON.stringify({ version: 1, reservations }, null, 2)}\n`)
    return result
  })
}
