import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { isVmidFree } from '../proxmox/is-vmid-free.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { addReservation, type Reservation } from '../templates/reservations.mts'

export interface Wanted {
  range: [number, number]
  node: string
  name: string
  tags: string[]
  purpose: string
}

/**
 * Picks a VMID that is neither taken in Proxmox nor reserved by another run here, and writes it down with
 * what it is for, before Proxmox hears of it.
 */
export async function reserveVm(
  client: ProxmoxClient,
  stateDir: string,
  wanted: Wanted,
): Promise<Reservation> {
  const { range, ...about } = wanted
  return addReservation(stateDir, async reserved => ({
    ...about,
    vmid: await firstFree(client, range, reserved),
    buildId: randomBytes(6).toString('hex'),
    since: new Date().toISOString(),
    pid: process.pid,
    host: hostname(),
    volumes: [],
  }))
}

async function firstFree(
  client: ProxmoxClient,
  [first, last]: [number, number],
  reserved: ReadonlySet<number>,
): Promise<number> {
  for (let vmid = first; vmid <= last; vmid++) {
    if (!reserved.has(vmid) && (await isVmidFree(client, vmid))) return vmid
  }
  throw new ProxmintError(`every VMID from ${first} to ${last} is taken`, {
    hint: 'delete VM templates that are not needed any more, or widen the range in config/proxmint.yaml',
    exitCode: exitCodes.invalid,
  })
}
