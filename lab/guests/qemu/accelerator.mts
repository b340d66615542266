/** Chooses between KVM and emulation. */

import { spawn } from 'node:child_process'
import { constants, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isAccessible } from '../../core/files.mts'

export type Accelerator = 'kvm' | 'tcg'

interface ProbeOptions {
  /** Folder for the disk of the probe. */
  folder: string
  /** Program of QEMU. Default `qemu-system-x86_64`. */
  program?: string
  timeoutMs?: number
}

const PROBE_TIMEOUT_MS = 5000

/**
 * Code of a boot sector: counts down from 2^28, then writes to the debug exit port. KVM does that in less than a
 * second. Shorter code would not do: on some machines with /dev/kvm guests hang, but only after a while.
 */
const PROBE = Buffer.from(
  [
    '66b900000010', // mov ecx, 0x10000000
    '6649', // dec ecx
    '75fc', // jnz, to dec
    'b010', // mov al, 0x10
    'e6f4', // out 0xf4, al
    'f4', // hlt
  ].join(''),
  'hex',
)

/** QEMU's exit status for the value 0x10 on that port: twice the value, plus one. */
const PROBE_STATUS = 0x21

/** Chooses KVM if a guest really runs under it, otherwise emulation (TCG). */
export async function chooseAccelerator(options: ProbeOptions): Promise<Accelerator> {
  const usable = await isAccessible('/dev/kvm', constants.R_OK | constants.W_OK)
  return usable && (await runsUnderKvm(options)) ? 'kvm' : 'tcg'
}

/** Runs the probe under KVM. Kills it after `timeoutMs`, default 5000. */
export async function runsUnderKvm(options: ProbeOptions): Promise<boolean> {
  const { folder, program = 'qemu-system-x86_64', timeoutMs = PROBE_TIMEOUT_MS } = options
  const disk = join(folder, 'probe.img')
  await writeFile(disk, bootSector(PROBE))
  const child = spawn(program, probeArguments(disk), { stdio: 'ignore' })
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  const status = await new Promise<number | null>(resolve => {
    child.once('error', () => resolve(null))
    child.once('close', resolve)
  })
  clearTimeout(timer)
  return status === PROBE_STATUS
}

function probeArguments(disk: string): string[] {
  return [
    ...['-accel', 'kvm', '-nodefaults', '-display', 'none', '-no-reboot', '-m', '16'],
    ...['-drive', `file=${disk},format=raw,if=ide`],
    ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04'],
  ]
}

function bootSector(code: Buffer): Buffer {
  const sector = Buffer.alloc(512)
  code.copy(sector)
  sector.writeUInt16BE(0x55aa, 510)
  return sector
}
