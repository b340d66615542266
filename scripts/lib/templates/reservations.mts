import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { changeFile } from '../run/change-file.mts'
import { ProxmintError } from '../run/errors.mts'
import { ifThere } from '../run/if-there.mts'

/**
 * VM that a run is about to create, stored before Proxmox is asked. The next run removes what a dead run left here.
 */
export interface Reservation {
  vmid: number
  node: string
  /**
   * Random id, also in the name or description of the VM. A VM with the same VMID and another id belongs to another run,
   * even if it was built from the same inputs.
   */
  buildId: string
  /** Name of the finished VM. */
  name: string
  /** Tags of the finished VM. */
  tags: string[]
  /** Purpose of the VM: `build debian`. */
  purpose: string
  /** ISO 8601. */
  since: string
  /** Process id of the run. */
  pid: number
  host: string
  /** Program that the run started to work on the VM; it may live longer than the run. */
  child?: { pid: number; program: string } | undefined
  /** Volumes of this run only: `local:iso/proxmint-base-debian-12-0a1b2c3d4e5f.iso`. */
  volumes: string[]
}

/** What identifies a reservation: another run may have reserved its VMID again. */
type ReservationId = Pick<Reservation, 'vmid' | 'buildId'>

interface ReservationFile {
  version: 1
  reservations: Reservation[]
}

/** Longer than a lock takes to become stale after its run was killed. */
const LOCK_WAIT_MS = 20_000

function path(stateDir: string): string {
  return join(stateDir, 'reservations.json')
}

/** Reads all reservations. @throws ProxmintError if the file cannot be parsed. */
export async function listReservations(stateDir: string): Promise<Reservation[]> {
  return reservationsIn(await ifThere(readFile(path(stateDir), 'utf8')), path(stateDir))
}

function reservationsIn(text: string | undefined, file: string): Reservation[] {
  if (text === undefined) return []
  const found = parse(text)
  if (found !== undefined) return found.reservations
  throw new ProxmintError(`${file} is not a list of reservations`, {
    hint: 'it should list unfinished VMs: look for them in Proxmox, then delete the file',
  })
}

function parse(text: string): ReservationFile | undefined {
  try {
    const file = JSON.parse(text) as Partial<ReservationFile> | null
    const understood = file?.version === 1 && file.reservations?.every(isUnderstood)
    return understood ? (file as ReservationFile) : undefined
  } catch {
    return undefined
  }
}

/** Node, name and build id become parts of paths and of requests to Proxmox. */
function isUnderstood(one: Partial<Reservation> | null): boolean {
  if (!Number.isInteger(one?.vmid) || !Array.isArray(one?.volumes)) return false
  const words = [one.node, one.name, one.buildId].filter(word => word !== undefined)
  return (
    words.every(word => /^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(word)) &&
    one.volumes.every(volume => /^[A-Za-z0-9_.-]+:(\w+\/)?[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(volume))
  )
}

/** Build ids of the reservations of this process. A process id is not enough: an older run may have had the same. */
const ownBuildIds = new Set<string>()

/** Checks whether this process made the reservation. */
export function isOwnReservation({ buildId }: Reservation): boolean {
  return ownBuildIds.has(buildId)
}

/** Adds a reservation. @param pick makes it under the lock, with the VMIDs of the other reservations. */
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

/** Adds a child process or volumes to a reservation. */
export async function updateReservation(
  stateDir: string,
  { vmid, buildId }: ReservationId,
  known: Partial<Pick<Reservation, 'child' | 'volumes'>>,
): Promise<void> {
  await changing(stateDir, async reservations => ({
    reservations: reservations.map(r => (r.vmid === vmid && r.buildId === buildId ? { ...r, ...known } : r)),
    result: undefined,
  }))
}

/** Drops a reservation, after its VM is finished or Proxmox confirmed that it is deleted. */
export async function dropReservation(stateDir: string, { vmid, buildId }: ReservationId): Promise<void> {
  await changing(stateDir, async reservations => ({
    reservations: reservations.filter(r => r.vmid !== vmid || r.buildId !== buildId),
    result: undefined,
  }))
}

async function changing<T>(
  stateDir: string,
  change: (reservations: Reservation[]) => Promise<{ reservations: Reservation[]; result: T }>,
): Promise<T> {
  const lock = { path: path(stateDir), purpose: 'writing reservations', waitMs: LOCK_WAIT_MS }
  return changeFile(lock, async found => {
    const { reservations, result } = await change(reservationsIn(found, lock.path))
    const isNothing = found === undefined && reservations.length === 0
    const text = `${JSON.stringify({ version: 1, reservations }, null, 2)}\n`
    return { text: isNothing ? undefined : text, result }
  })
}
