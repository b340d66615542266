/** Chooses how a lab is separated from the machine it runs on. */

import { readFile } from 'node:fs/promises'
import { LabError } from '../core/lab-error.mts'
import { run } from '../core/process.mts'
import { type Isolation, isolatedCommand } from './namespace.mts'

/** `auto`: namespaces if the machine allows them, otherwise loopback. */
export const ISOLATION_MODES = ['auto', 'namespace', 'loopback'] as const

export type IsolationMode = (typeof ISOLATION_MODES)[number]

/** Capabilities that guests in a plain chroot need, with their numbers in linux/capability.h. */
const CHROOT_CAPABILITIES = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  FOWNER: 3,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  SYS_CHROOT: 18,
  MKNOD: 27,
}

/** Tries which isolation this machine allows. @throws {LabError} that says what to change, if it allows none. */
export async function chooseIsolation(mode: IsolationMode = 'auto'): Promise<Isolation> {
  if (mode === 'loopback') return requireLoopback()
  const isolation = namespaceCandidate()
  const [file, ...args] = isolatedCommand(isolation, ['true'])
  try {
    await run(file!, args, {
      missing: 'the lab makes namespaces with unshare; install the package util-linux',
    })
    return isolation
  } catch (error) {
    if (mode === 'auto' && (await missingForLoopback()).length === 0) return LOOPBACK
    const reason = (error as Error).message
    throw new LabError(`the lab's namespaces cannot be made: ${reason}`, remedy(isolation), error)
  }
}

const LOOPBACK: Isolation = {
  kind: 'loopback',
  description:
    "no namespaces: guests in a plain chroot, each with an SSH port of its own on 127.0.0.1 and the machine's host name",
}

async function requireLoopback(): Promise<Isolation> {
  const missing = await missingForLoopback()
  if (missing.length === 0) return LOOPBACK
  throw new LabError(
    `guests cannot run in a plain chroot: this process lacks ${missing.join(', ')}`,
    'run the lab as root, in a container with the capabilities that Docker gives by default',
  )
}

/** Lists what this process lacks for a lab without namespaces: `root`, or capabilities such as `CAP_MKNOD`. */
async function missingForLoopback(): Promise<string[]> {
  if (process.geteuid?.() !== 0) return ['root']
  const status = await readFile('/proc/self/status', 'utf8')
  const effective = BigInt(`0x${/^CapEff:\s*(\w+)/m.exec(status)![1]}`)
  return Object.entries(CHROOT_CAPABILITIES)
    .filter(([, bit]) => (effective & (1n << BigInt(bit))) === 0n)
    .map(([name]) => `CAP_${name}`)
}

function namespaceCandidate(): Isolation {
  if (process.geteuid?.() === 0) {
    return { kind: 'root', description: 'a network namespace of its own, made as root' }
  }
  return {
    kind: 'mapped',
    description: 'a user and a network namespace of its own, with subordinate user ids',
  }
}

function remedy({ kind }: Isolation): string {
  if (kind === 'root') {
    return 'in a container, run it with CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --privileged)'
  }
  return (
    'without root the lab needs user namespaces, the package uidmap, and subordinate ids for this user: ' +
    'usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER'
  )
}
