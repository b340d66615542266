/** Logins that user-data gives. */
import { itemsOf, tableOf } from './parsed.mts'
import { cloudInitYaml } from './yaml.mts'

interface UserDataLogins {
  /** Whether anybody can log in with a key or a password. */
  any: boolean
  /** The first account that it makes; undefined if it makes none of a name. */
  account: string | undefined
}

/** Keys of an account or of the whole document that let somebody in. */
const OPENING = [
  ...['ssh_authorized_keys', 'ssh-authorized-keys', 'ssh_import_id', 'ssh_redirect_user'],
  ...['password', 'passwd', 'hashed_passwd', 'plain_text_passwd', 'chpasswd'],
]

/** Lists the logins of a rendered cloud-config. A script in it may make others. */
export async function loginsOf(userData: string): Promise<UserDataLogins> {
  const { parse } = await import('yaml')
  const document = tableOf(parse(userData, cloudInitYaml.read))
  const accounts = accountsOf(document)
  const files = itemsOf(document['write_files']).map(file => String(tableOf(file)['path']))
  return {
    any: [document, ...accounts].some(opens) || files.some(path => path.includes('authorized_keys')),
    account: accounts.map(({ name }) => name).find(name => typeof name === 'string'),
  }
}

function accountsOf({ users, user }: Record<string, unknown>): Record<string, unknown>[] {
  const all = Array.isArray(users) ? users : []
  return [...all.filter(one => one !== 'default'), user].map(one =>
    typeof one === 'string' ? { name: one } : tableOf(one),
  )
}

function opens(table: Record<string, unknown>): boolean {
  return OPENING.some(key => !isEmpty(table[key]))
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === false) return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
