/** Translates users, groups and logins of a cloud-config to steps of the guest's boot scripts. */

import { type Step, step, stepWithInput } from './shell.mts'

interface User {
  name?: string
  gecos?: string
  shell?: string
  homedir?: string
  uid?: number | string
  primary_group?: string
  groups?: string | string[]
  sudo?: string | string[] | false | null
  system?: boolean
  no_create_home?: boolean
  lock_passwd?: boolean
  passwd?: string
  hashed_passwd?: string
  plain_text_passwd?: string
  ssh_authorized_keys?: string[]
}

interface PasswordEntry {
  name: string
  password?: string
  type?: 'hash' | 'text' | 'RANDOM'
}

/** Keys of a cloud-config about users and how they log in. */
export interface UserKeys {
  user?: string | User
  users?: (string | User)[]
  groups?: (string | Record<string, string | string[]>)[]
  password?: string
  chpasswd?: { expire?: boolean; list?: string | string[]; users?: PasswordEntry[] }
  ssh_pwauth?: boolean | string
  ssh_authorized_keys?: string[]
  disable_root?: boolean
}

/** `default_user` of cloud-init in Debian's cloud images. */
const DEBIAN_USER: User = {
  name: 'debian',
  gecos: 'Debian',
  shell: '/bin/bash',
  groups: 'adm audio cdrom dialout dip floppy netdev plugdev sudo video'.split(' '),
  sudo: ['ALL=(ALL) NOPASSWD:ALL'],
  lock_passwd: true,
}

export function planUsers(config: UserKeys): Step[] {
  const users = wantedUsers(config)
  const main = users.find(user => user.isDefault)?.name
  return [
    ...(config.groups ?? []).flatMap(planGroup),
    ...users.flatMap(planUser),
    ...planKeys(config, main),
    ...planPasswords(config, main),
    ...planPasswordLogin(config.ssh_pwauth),
  ]
}

type WantedUser = User & { name: string; isDefault: boolean }

/** Lists the users to make. The default user is one of them if `users` is missing or contains `default`. */
function wantedUsers(config: UserKeys): WantedUser[] {
  const entries = config.users ?? ['default']
  return entries.flatMap(entry => {
    if (entry === 'default') return [defaultUser(config.user)]
    const user = typeof entry === 'string' ? { name: entry } : entry
    return user.name ? [{ ...user, name: user.name, isDefault: false }] : []
  })
}

function defaultUser(override: string | User | undefined): WantedUser {
  const changes = typeof override === 'string' ? { name: override } : override
  const user = { ...DEBIAN_USER, ...changes }
  return { ...user, name: user.name ?? 'debian', isDefault: true }
}

function planGroup(group: string | Record<string, string | string[]>): Step[] {
  if (typeof group === 'string') return [step('ensure_group', group)]
  return Object.entries(group).flatMap(([name, members]) => [
    step('ensure_group', name),
    ...words(members).map(member => step('add_to_group', member, name)),
  ])
}

function planUser(user: WantedUser): Step[] {
  const { name } = user
  const flag = (value: boolean | undefined): string => (value ? '1' : '0')
  const create = step(
    'create_user',
    name,
    user.gecos ?? '',
    user.shell ?? '',
    flag(user.system),
    flag(user.no_create_home),
    user.homedir ?? '',
    String(user.uid ?? ''),
    user.primary_group ?? '',
  )
  const rules = user.sudo ? [user.sudo].flat() : []
  return [
    create,
    ...words(user.groups ?? []).map(group => step('add_to_group', name, group)),
    ...rules.map(rule => step('allow_sudo', name, rule)),
    ...(user.ssh_authorized_keys ?? []).map(key => step('authorize_key', name, key)),
    ...planUserPassword(user),
  ]
}

/** Sets the user's password. It stays locked unless `lock_passwd` is false, as in cloud-init. */
function planUserPassword(user: WantedUser): Step[] {
  const password = user.plain_text_passwd ?? user.hashed_passwd ?? user.passwd
  if (password === undefined) return []
  const set = stepWithInput(`${password}\n`, 'set_password', user.name)
  return user.lock_passwd === false ? [set] : [set, step('lock_password', user.name)]
}

/** Gives the keys to the default user and to root. A login as root only prints which user to log in as. */
function planKeys(config: UserKeys, main: string | undefined): Step[] {
  const keys = config.ssh_authorized_keys ?? []
  const refusal = main ? refuseRoot(main) : ''
  return keys.flatMap(key => [
    ...(main ? [step('authorize_key', main, key)] : []),
    config.disable_root === false
      ? step('authorize_key', 'root', key)
      : step('authorize_key', 'root', key, refusal),
  ])
}

function refuseRoot(user: string): string {
  const message = `Please login as the user "${user}" rather than the user "root".`.replaceAll('"', '\\"')
  return `no-port-forwarding,no-agent-forwarding,no-X11-forwarding,command="echo '${message}';echo;sleep 10;exit 142"`
}

function planPasswords(config: UserKeys, main: string | undefined): Step[] {
  const entries = passwordEntries(config, main)
  const expire = config.chpasswd?.expire ?? true
  return entries.flatMap(([name, password]) => [
    stepWithInput(`${password}\n`, 'set_password', name),
    ...(expire ? [step('expire_password', name)] : []),
  ])
}

function passwordEntries(config: UserKeys, main: string | undefined): [string, string][] {
  const { list, users } = config.chpasswd ?? {}
  const lines = (Array.isArray(list) ? list : (list ?? '').split('\n')).filter(line => line.includes(':'))
  return [
    ...(config.password !== undefined && main ? [[main, config.password] as [string, string]] : []),
    ...lines.map(
      line => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)] as [string, string],
    ),
    ...(users ?? []).flatMap(({ name, password }) =>
      password === undefined ? [] : [[name, password] as [string, string]],
    ),
  ]
}

function planPasswordLogin(value: boolean | string | undefined): Step[] {
  if (value === undefined || value === 'unchanged') return []
  const allowed = value === true || value === 'yes' || value === 'true' || value === '1'
  return [step('password_login', allowed ? 'yes' : 'no')]
}

function words(value: string | string[]): string[] {
  return Array.isArray(value) ? value : value.split(/[\s,]+/).filter(Boolean)
}
