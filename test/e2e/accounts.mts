/** Generated users of Proxmox VE with groups, tokens, roles and ACL entries. One seed gives one sequence. */
import { privilegesOf } from '../../lab/pve/core/privileges.mts'
import { randomFrom } from '../random.mts'

export interface Account {
  user: string
  /** Undefined: the login is the user's own. */
  token: string | undefined
  secret: string
  /** Whether the user itself may do everything, so that it needs no entry. */
  userHasAll: boolean
  /** Lines of user.cfg. */
  lines: string[]
  described: string
}

/** Paths that entries are made on. */
export const PATHS = [
  ...[
    '/',
    '/access',
    '/nodes',
    '/nodes/pve',
    '/vms',
    '/vms/9900',
    '/storage',
    '/storage/tank',
    '/storage/local',
  ],
  ...['/sdn', '/sdn/zones', '/sdn/zones/localnetwork', '/sdn/zones/localnetwork/vmbr0'],
  '/sdn/zones/localnetwork/vmbr0/20',
]

/** Paths without entries, which inherit. */
export const PROBES = ['/mapping', '/vms/9000', '/vms/123456', '/storage/other', '/nodes/other', '/pool/web']

type Random = () => number

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!
}

const BUILT_IN = ['Administrator', 'PVEVMAdmin', 'PVEAuditor', 'PVEDatastoreUser', 'NoAccess', 'PVESDNUser']

/** Generates accounts. Each has names of its own, so one cluster holds all of them. */
export function generateAccounts(seed: number, version: 8 | 9, count: number): Account[] {
  const random = randomFrom(seed)
  const privileges = [...privilegesOf(version)]
  return Array.from({ length: count }, (_, index) => generate(random, privileges, index))
}

function generate(random: Random, privileges: string[], index: number): Account {
  const user = `u${index}@pve`
  const login = pick(random, ['user', 'token', 'token', 'separate', 'separate'])
  const token = login === 'user' ? undefined : `${user}!tok`
  const groups = [`a${index}`, `b${index}`].filter(() => random() < 0.5)
  const roles = [`R${index}`, `S${index}`].map(
    name => `role:${name}:${privileges.filter(() => random() < 0.6).join(',')}:`,
  )
  const userHasAll = random() < 0.2
  const granted = Array.from({ length: Math.floor(random() * 7) }, () => {
    const holder = pick(random, [user, ...groups.map(group => `@${group}`), ...(token ? [token] : [])])
    const role = pick(random, [...BUILT_IN, `R${index}`, `S${index}`, `R${index}`])
    return `acl:${random() < 0.7 ? 1 : 0}:${pick(random, PATHS)}:${holder}:${role}:`
  })
  const mayRead =
    random() < 0.4 ? [user, ...(token ? [token] : [])].map(one => `acl:1:/access:${one}:PVEAuditor:`) : []
  const acl = userHasAll
    ? [`acl:1:/:${user}:Administrator:`, ...granted.filter(line => line.includes('!'))]
    : [...granted, ...mayRead]
  const inPool = random() < 0.3 ? [`acl:1:/pool/web:${user}:R${index}:`] : []
  const lines = [
    `user:${user}:1:0::::::`,
    ...(token === undefined ? [] : [`token:${token}:0:${login === 'separate' ? 1 : 0}::`]),
    ...groups.map(group => `group:${group}:${user}::`),
    ...roles,
    ...acl,
    ...inPool,
  ]
  const described = `${index} ${login}, ${groups.length} groups: ${[...acl, ...inPool].join(' ').replaceAll('acl:', '') || 'nothing'}`
  const secret = `01234567-89ab-cdef-0123-${String(index).padStart(12, '0')}`
  return { user, token, secret, userHasAll, lines, described }
}

/** user.cfg of a cluster with all accounts, and a pool. */
export function userCfgOf(accounts: Account[]): string {
  return ['pool:web::9900:tank:', ...accounts.flatMap(({ lines }) => lines), ''].join('\n')
}
