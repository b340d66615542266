import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { isVmidFree } from '../proxmox/is-vmid-free.mts'
import { listVms } from '../proxmox/list-vms.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { addReservation, type Reservation } from '../templates/reservations.mts'

interface VmidRequest {
  range: [number, number]
  node: string
  name: string
  tags: string[]
  purpose: string
  /** The one VMID it must be, where there is a choice no more. */
  pinned?: number | undefined
}

/**
 * Picks a VMID that is neither taken in Proxmox nor reserved by another run here, and writes it down with
 * what it is for, before Proxmox hears of it.
 */
export async function reserveVm(
  client: ProxmoxClient,
  stateDir: string,
  wanted: VmidRequest,
): Promise<Reservation> {
  const { range, pinned, ...about } = wanted
  return addReservation(stateDir, async reserved => ({
    ...about,
    vmid:
      pinned === undefined ? await firstFree(client, range, reserved) : await free(client, pinned, reserved),
    buildId: randomBytes(6).toString('hex'),
    since: new Date().toISOString(),
    pid: process.pid,
    host: hostname(),
    volumes: [],
  }))
}

/** @throws ProxmintError (invalid) that says who has it. */
async function free(client: ProxmoxClient, vmid: number, reserved: ReadonlySet<number>): Promise<number> {
  if (!reserved.has(vmid) && (await isVmidFree(client, vmid))) return vmid
  const holder = (await listVms(client)).find(vm => vm.vmid === vmid)
  throw new ProxmintError(`the VMID ${vmid}, which TEMPLATE_VMID pins, is taken`, {
    facts: {
      'taken by': reserved.has(vmid) ? 'another build' : (holder?.name ?? 'a VM that cannot be seen'),
    },
    hint: 'unset TEMPLATE_VMID, and the next free number is used; nothing refers to a template by its number',
    exitCode: exitCodes.invalid,
  })
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
