import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { isVmidFree } from '../proxmox/is-vmid-free.mts'
import { describeVms, listVmPlaces } from '../proxmox/list-vms.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { addReservation, type Reservation } from '../templates/reservations.mts'

/** Request for a VMID. */
interface VmidRequest {
  range: [number, number]
  node: string
  name: string
  tags: string[]
  purpose: string
  /** Required VMID; undefined: the first free one of the range. */
  pinned?: number | undefined
}

/**
 * Reserves a VMID that is free in Proxmox and not reserved by another run here. The reservation is on disk before
 * Proxmox gets the first request for it.
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

/** @throws ProxmintError (invalid) With the VM that has the VMID. */
async function free(client: ProxmoxClient, vmid: number, reserved: ReadonlySet<number>): Promise<number> {
  if (!reserved.has(vmid) && (await isVmidFree(client, vmid))) return vmid
  const holders = (await listVmPlaces(client)).filter(vm => vm.vmid === vmid)
  const [holder] = await describeVms(client, holders)
  throw new ProxmintError(`the VMID ${vmid}, which TEMPLATE_VMID pins, is taken`, {
    facts: {
      'taken by': reserved.has(vmid)
        ? 'another build'
        : (holder?.name ?? 'a VM that the identity cannot see'),
    },
    hint: 'unset TEMPLATE_VMID to use the next free number; nothing refers to a template by its number',
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
