/** Command lines that run programs in the lab's namespaces. */

/** Separation of the lab from the machine it runs on. */
export interface Isolation {
  /** `root` and `mapped` have namespaces; `loopback` has none. */
  kind: 'root' | 'mapped' | 'loopback'
  /** Line for people. */
  description: string
}

const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc']
const MAPPED = ['--map-root-user', '--map-auto']

/**
 * Returns the argv that runs a program as the first process of new network, mount and process namespaces. On loopback
 * it is the command itself.
 */
export function isolatedCommand({ kind }: Isolation, command: string[]): string[] {
  if (kind === 'loopback') return command
  const mapping = kind === 'mapped' ? MAPPED : []
  return ['unshare', ...mapping, ...NAMESPACES, '--', ...command]
}

/** Returns the argv that runs a program in a lab's network. @param pid process that holds its namespaces. */
export function joiningCommand({ kind }: Isolation, pid: number, command: string[]): string[] {
  if (kind === 'loopback') return command
  const user = kind === 'mapped' ? ['--user', '--preserve-credentials'] : []
  return ['nsenter', '--target', String(pid), ...user, '--net', '--', ...command]
}
