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
    throw new Error(`${(error as Error).message}\n${remedy(isolation)}`, { cause: error })
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
    return 'The lab needs a network namespace of its own. In a container, give it CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --privileged).'
  }
  return (
    'Without root the lab needs subordinate user ids: the package uidmap, a line for this user in /etc/subuid ' +
    'and /etc/subgid (usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER), and user namespaces.'
  )
}
