import { LabError } from '../lab-error.mts'
import { run } from '../process.mts'

/** How the lab is kept apart from the machine it runs on. */
export interface Isolation {
  kind: 'root' | 'mapped'
  /** One line for people. */
  description: string
}

const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
const MAPPED = ['--map-root-user', '--map-auto']

/** Argv that runs a program as the first process of a new network, mount and process namespace. */
export function isolatedCommand(isolation: Isolation, command: string[]): string[] {
  const mapping = isolation.kind === 'mapped' ? MAPPED : []
  return ['unshare', ...mapping, ...NAMESPACES, '--', ...command]
}

/** Argv that runs a program in the network of the lab whose `unshare` process has this id. */
export function joiningCommand(isolation: Isolation, pid: number, command: string[]): string[] {
  const user = isolation.kind === 'mapped' ? ['--user', '--preserve-credentials'] : []
  return ['nsenter', '--target', String(pid), ...user, '--net', '--', ...command]
}

/** The isolation this machine allows, tried and not guessed. Rejects with what to change where there is none. */
export async function chooseIsolation(): Promise<Isolation> {
  const isolation = candidate()
  const [file, ...args] = isolatedCommand(isolation, ['true'])
  try {
    await run(file!, args, {
      missing: 'the lab makes namespaces with unshare; install the package util-linux',
    })
    return isolation
  } catch (error) {
    const reason = (error as Error).message
    throw new LabError(`the lab's namespaces cannot be made: ${reason}`, remedy(isolation), error)
  }
}

function candidate(): Isolation {
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
