/** The command line of QEMU for a VM. */

import type { GuestCdrom, GuestDisk, GuestMachine, GuestNic, GuestStart } from '../driver.mts'
import type { Accelerator } from './accelerator.mts'
import type { Flash } from './ovmf.mts'
import { incomingFrom } from './run-state.mts'
import { TPM_SOCKET } from './tpm.mts'

/** Parts of a machine that are not in its VM's config. */
export interface MachineParts {
  accelerator: Accelerator
  consolePath: string
  /** Cloud-init drive of the VM's config. */
  seed: GuestCdrom | undefined
  /** Names of the lab's network devices, one for each network card of the guest. */
  taps: string[]
  /** Flash memory of the guest's UEFI firmware; undefined for SeaBIOS. */
  flash: Flash | undefined
}

/** File descriptors that QEMU inherits. */
export const QMP_FD = 3
export const AGENT_FD = 4

/** Id of the agent's port, as QEMU's events name it. */
export const AGENT_PORT = 'qga0'

export function driveIdOf(slot: string): string {
  return `drive-${slot}`
}

/** Model of the processor. Emulation is faster without the fifth level of page tables (la57). */
const PROCESSORS: Record<Accelerator, string> = { kvm: 'host', tcg: 'max,la57=off' }

/** Returns arguments of qemu-system-x86_64. Guests see the hardware that Proxmox would give them. */
export function machineArguments(guest: GuestStart, parts: MachineParts): string[] {
  const { accelerator, consolePath, seed, taps, flash } = parts
  const cdroms = seed ? [...guest.cdroms, seed] : guest.cdroms
  return [
    ...['-name', escaped(guest.name), '-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'std'],
    ...['-machine', guest.machine, '-accel', accelerator, '-cpu', PROCESSORS[accelerator]],
    ...['-m', String(guest.memory), '-smp', String(guest.cores)],
    ...['-chardev', `socket,id=qmp,fd=${QMP_FD}`, '-mon', 'chardev=qmp,mode=control'],
    ...['-chardev', `file,id=serial0,path=${escaped(consolePath)}`, '-serial', 'chardev:serial0'],
    ...(flash === undefined ? [] : flashDevices(flash)),
    ...(guest.tpm === undefined ? [] : tpmDevices()),
    ...(guest.agentChannel ? agentDevices() : []),
    ...controllers(guest, cdroms),
    ...guest.disks.flatMap((disk, index) => diskDevice(disk, index, guest.machine)),
    ...cdroms.flatMap(cdrom => cdromDevice(cdrom, guest.machine)),
    ...guest.nics.flatMap((nic, index) => networkDevice(nic, taps[index]!)),
    ...(guest.state === undefined ? [] : ['-incoming', incomingFrom(guest.state)]),
  ]
}

/** Slot of the firmware's variables, which are a disk of the VM. */
export const EFI_SLOT = 'efidisk0'

function flashDevices({ code, variables }: Flash): string[] {
  const disk = `id=${driveIdOf(EFI_SLOT)},format=${variables.format},file=${escaped(variables.path)}`
  return [
    ...['-drive', `if=pflash,unit=0,format=raw,readonly=on,file=${escaped(code)}`],
    ...['-drive', `if=pflash,unit=1,${disk}`],
  ]
}

function tpmDevices(): string[] {
  return [
    ...['-chardev', `socket,id=tpmchar,path=${TPM_SOCKET}`],
    ...['-tpmdev', 'emulator,id=tpmdev,chardev=tpmchar', '-device', 'tpm-tis,tpmdev=tpmdev'],
  ]
}

function agentDevices(): string[] {
  return [
    ...['-chardev', `socket,id=agent,fd=${AGENT_FD}`, '-device', 'virtio-serial-pci'],
    ...['-device', `virtserialport,chardev=agent,id=${AGENT_PORT},name=org.qemu.guest_agent.0`],
  ]
}

const SCSI_CONTROLLERS: Record<string, string> = {
  lsi: 'lsi53c895a',
  lsi53c810: 'lsi53c810',
  megasas: 'megasas',
  pvscsi: 'pvscsi',
  'virtio-scsi-pci': 'virtio-scsi-pci',
  'virtio-scsi-single': 'virtio-scsi-pci',
}

/** Returns the controllers that drives need. Both machine types have one for IDE; that of `q35` is AHCI. */
function controllers({ disks, scsiController }: GuestStart, cdroms: GuestCdrom[]): string[] {
  const slots = [...disks, ...cdroms].map(({ slot }) => slot)
  const uses = (kind: string) => slots.some(slot => slot.startsWith(kind))
  return [
    ...(uses('scsi') ? ['-device', `${SCSI_CONTROLLERS[scsiController] ?? 'lsi53c895a'},id=scsi`] : []),
    ...(uses('sata') ? ['-device', 'ahci,id=sata'] : []),
  ]
}

/** Since QEMU 10, Proxmox gives SCSI disks an id of their own beside the serial number (PVE/QemuServer/DriveDevice.pm). */
function diskDevice({ slot, path, serial }: GuestDisk, index: number, machine: GuestMachine): string[] {
  const drive = `file=${escaped(path)},format=qcow2,if=none,id=${driveIdOf(slot)},discard=unmap`
  return [
    '-drive',
    drive,
    '-device',
    [
      `${deviceOf(slot, 'hd', machine)},drive=${driveIdOf(slot)},bootindex=${index + 1}`,
      ...(slot.startsWith('scsi') ? [`device_id=${driveIdOf(slot)}`] : []),
      ...(serial === undefined ? [] : [`serial=${escaped(serial)}`]),
    ].join(','),
  ]
}

function cdromDevice({ slot, path }: GuestCdrom, machine: GuestMachine): string[] {
  const drive = `file=${escaped(path)},format=raw,if=none,id=${driveIdOf(slot)},media=cdrom,readonly=on`
  return ['-drive', drive, '-device', `${deviceOf(slot, 'cd', machine)},drive=${driveIdOf(slot)}`]
}

/** Place of an IDE drive. `q35` has one drive on each bus, so odd ones are moved (PVE/QemuServer/DriveDevice.pm). */
function idePlace(index: number, machine: GuestMachine): string {
  const [bus, unit] = [Math.floor(index / 2), index % 2]
  return machine === 'q35' ? `bus=ide.${bus + 2 * unit},unit=0` : `bus=ide.${bus},unit=${unit}`
}

function deviceOf(slot: string, kind: 'hd' | 'cd', machine: GuestMachine): string {
  const [, bus, digits] = /^([a-z]+)(\d+)$/.exec(slot) ?? []
  const index = Number(digits)
  switch (bus) {
    case 'scsi':
      return `scsi-${kind},bus=scsi.0,scsi-id=${index}`
    case 'sata':
      return `ide-${kind},bus=sata.${index}`
    case 'ide':
      return `ide-${kind},${idePlace(index, machine)}`
    case 'virtio':
      return 'virtio-blk-pci'
    default:
      throw new Error(`a drive cannot be attached as ${slot}`)
  }
}

const NETWORK_CARDS: Record<string, string> = { virtio: 'virtio-net-pci' }

/** Returns a network card. Most models have the same name in Proxmox and in QEMU. */
function networkDevice({ slot, mac, model }: GuestNic, tap: string): string[] {
  return [
    ...['-netdev', `tap,id=${slot},ifname=${tap},script=no,downscript=no`],
    ...['-device', `${NETWORK_CARDS[model] ?? model},netdev=${slot},mac=${mac}`],
  ]
}

/** Doubles commas, because a single comma ends a value in an option of QEMU. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,')
}
