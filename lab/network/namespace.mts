/** How the lab is kept apart from the machine it runs on. */
export interface Isolation {
  /** `root` and `mapped` have namespaces; `loopback` has none. */
  kind: 'root' | 'mapped' | 'loopback'
  /** One line for people. */
  description: string
}

const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
const MAPPED = ['--map-root-user', '--map-auto']

/** Argv that runs a program as the first process of a new network, mount and process namespace, if there are any. */
export function isolatedCommand({ kind }: Isolation, command: string[]): string[] {
  if (kind === 'loopback') return command
  const mapping = kind === 'mapped' ? MAPPED : []
  return ['unshare', ...mapping, ...NAMESPACES, '--', ...command]
}

/** Argv that runs a program in the network of the lab whose `unshare` process has this id. */
export function joiningCommand({ kind }: Isolation, pid: number, command: string[]): string[] {
  if (kind === 'loopback') return command
  const user = kind === 'mapped' ? ['--user', '--preserve-credentials'] : []
  return ['nsenter', '--target', String(pid), ...user, '--net', '--', ...command]
}
