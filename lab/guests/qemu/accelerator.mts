import { spawn } from 'node:child_process'
import { access, constants, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export type Accelerator = 'kvm' | 'tcg'

export interface ProbeOptions {
  /** For the guest that is tried. */
  folder: string
  /** The program that emulates; tests put another in its place. */
  program?: string
  timeoutMs?: number
}

const PROBE_TIMEOUT_MS = 5000

/**
 * A boot sector that counts down from 2^28 and then says so on the debug exit port. A machine with KVM is
 * through in less than a second. Where /dev/kvm is there but guests hang in it, short code gets through too.
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

/** QEMU's exit status for what the probe says: twice that, and one. */
const PROBE_STATUS = 0x21

/** KVM where a guest really runs under it, otherwise emulation (TCG). */
export async function chooseAccelerator(options: ProbeOptions): Promise<Accelerator> {
  const usable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
  return usable && (await runsUnderKvm(options)) ? 'kvm' : 'tcg'
}

/** Tries a guest; one that hangs is given up on. */
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
