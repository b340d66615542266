/** Parser for the output of inspect.sh. */

export interface CloudInitStatus {
  exitCode: number
  /** `done`, `error`, `degraded done`, ... */
  status: string
  errors: string[]
  /** Log level -> messages: `DEPRECATED`, `WARNING`, ... */
  recoverable: Record<string, string[]>
}

/** Trace of the build on the disk, found at the first boot of a clone before cloud-init ran. */
export interface Leftover {
  kind: string
  /** File, or name of the account with a password. */
  path: string
}

/** State of a clone from inside. */
export interface Inspection {
  cloudInit: CloudInitStatus
  machineId: string
  hostName: string
  /** Public keys of the SSH server: `ssh-ed25519 AAAA...`. */
  hostKeys: string[]
  /** Size of the root file system. */
  rootBytes: number
  /** TCP ports that listen on other addresses than loopback, ascending. */
  ports: number[]
  /** Faults that the package manager printed, line by line. */
  packageFaults: string[]
  /** `NAME VERSION` of each installed package. */
  packages: string[]
  /** Only for the clone whose first boot was inspected. */
  leftovers: Leftover[]
}

/** Parses the output; undefined if it is incomplete. */
export function parseInspection(output: string): Inspection | undefined {
  const sections = sectionsOf(output)
  if (!sections.has('end')) return undefined
  const lines = (name: string): string[] => sections.get(name) ?? []
  const first = (name: string): string => lines(name)[0]?.trim() ?? ''
  return {
    cloudInit: parseCloudInit(lines('cloud-init').join('\n'), Number(first('cloud-init-exit'))),
    machineId: first('machine-id'),
    hostName: first('host-name'),
    hostKeys: lines('host-keys'),
    rootBytes: Number(first('root-bytes')),
    ports: listeningPorts(lines('sockets')),
    packageFaults: lines('package-faults'),
    packages: lines('packages').toSorted(),
    leftovers: lines('first-boot').map(parseLeftover),
  }
}

function sectionsOf(output: string): Map<string, string[]> {
  const sections = new Map<string, string[]>()
  let current: string[] = []
  for (const line of output.split('\n')) {
    if (line.startsWith('@')) {
      current = []
      sections.set(line.slice(1), current)
    } else if (line.trim() !== '') current.push(line)
  }
  return sections
}

function parseLeftover(line: string): Leftover {
  const space = line.indexOf(' ')
  return { kind: line.slice(0, space), path: line.slice(space + 1) }
}

/** Parses `cloud-init status --format json`. Versions before 23.4 have fewer keys; some guests have no cloud-init. */
function parseCloudInit(text: string, exitCode: number): CloudInitStatus {
  const answer = parseJson(text)
  return {
    exitCode,
    status: String(answer['extended_status'] ?? answer['status'] ?? 'no answer'),
    errors: textsOf(answer['errors']),
    recoverable: Object.fromEntries(
      Object.entries(tableOf(answer['recoverable_errors'])).map(([level, found]) => [level, textsOf(found)]),
    ),
  }
}

function parseJson(text: string): Record<string, unknown> {
  try {
    return tableOf(JSON.parse(text))
  } catch {
    return {}
  }
}

/** Takes a value of a guest for a table; one of another shape counts as empty. */
function tableOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {}
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : []
}

/**
 * Finds the TCP ports that listen on other addresses than loopback.
 * @param lines Lines of /proc/net/tcp and tcp6: `1: 0100007F:0016 00000000:0000 0A ...`, with address and port in
 * hexadecimal and 0A for LISTEN.
 */
export function listeningPorts(lines: string[]): number[] {
  const ports = lines.flatMap(line => {
    const [, local = '', , state] = line.trim().split(/\s+/)
    const [address = '', port = ''] = local.split(':')
    return state === '0A' && !isLoopback(address) ? [Number.parseInt(port, 16)] : []
  })
  return [...new Set(ports)].toSorted((a, b) => a - b)
}

/** The kernel prints each 32 bits of an address in the byte order of the machine: little-endian under Proxmox. */
function isLoopback(address: string): boolean {
  if (address.length === 8) return address.endsWith('7F')
  return address === '00000000000000000000000001000000' || /^0{16}FFFF0000[0-9A-F]{6}7F$/.test(address)
}
