import { nearest } from '../run/nearest.mts'

/** One thing wrong with one value. */
export interface Fault {
  /** The value's name where it comes from: `proxmox_url` or `PROXMOX_URL`. */
  name: string
  /** Continues the name: `ends with a slash`. */
  what: string
  fix: string
}

/** The values of one set of credentials, under the names the code uses. */
type FieldName =
  | 'url'
  | 'user'
  | 'tokenId'
  | 'tokenSecret'
  | 'node'
  | 'storagePool'
  | 'password'
  | 'caFile'
  | 'skipTlsVerify'
  | 'sshUser'
  | 'sshPrivateKey'
  | 'sshAddress'

/** Where values come from, and the names a person knows them by there. */
export interface Source {
  /** `environment` or the file's name. */
  label: string
  names: Record<FieldName, string>
  values: Record<string, unknown>
  howToSet(field: FieldName): string
}

/** The keys of `secrets/proxmox-creds.enc.yaml`. */
const fileKeys: Record<FieldName, string> = {
  url: 'proxmox_url',
  user: 'proxmox_user',
  tokenId: 'proxmox_token_id',
  tokenSecret: 'proxmox_token_secret',
  node: 'proxmox_node',
  storagePool: 'proxmox_storage_pool',
  password: 'proxmox_password',
  caFile: 'proxmox_ca_file',
  skipTlsVerify: 'proxmox_skip_tls_verify',
  sshUser: 'proxmox_ssh_user',
  sshPrivateKey: 'proxmox_ssh_private_key',
  sshAddress: 'proxmox_ssh_address',
}

/** The variables of a direnv shell. User and token id share one, in Packer's format. */
const variables: Record<FieldName, string> = {
  url: 'PROXMOX_URL',
  user: 'PROXMOX_USERNAME',
  tokenId: 'PROXMOX_USERNAME',
  tokenSecret: 'PROXMOX_TOKEN',
  node: 'PROXMOX_NODE',
  storagePool: 'PROXMOX_STORAGE_POOL',
  password: 'PROXMOX_PASSWORD',
  caFile: 'PROXMOX_CA_FILE',
  skipTlsVerify: 'PROXMOX_SKIP_TLS_VERIFY',
  sshUser: 'PROXMOX_SSH_USER',
  sshPrivateKey: 'PROXMOX_SSH_PRIVATE_KEY',
  sshAddress: 'PROXMOX_SSH_ADDRESS',
}

/** @param label the file's name; a file that is not encrypted yet says itself how it is edited. */
export function fileSource(
  label: string,
  values: Record<string, unknown>,
  edit = `sops edit ${label}, and`,
): Source {
  return { label, names: fileKeys, values, howToSet: field => `${edit} add ${fileKeys[field]}` }
}

/** @param env usually `process.env`. */
export function environmentSource(env: NodeJS.ProcessEnv): Source {
  const values = Object.fromEntries(
    Object.entries(variables).map(([field, name]) => [field, env[name] === '' ? undefined : env[name]]),
  )
  return {
    label: 'environment',
    names: variables,
    values,
    howToSet: field =>
      `set ${variables[field]}, or unset PROXMOX_URL, PROXMOX_USERNAME and PROXMOX_TOKEN so that the SOPS file is read`,
  }
}

/** The fields of a source as text, empty ones left out, with a fault for each key the source should not have. */
export function parse(source: Source): { fields: Partial<Record<FieldName, string>>; faults: Fault[] } {
  return source.names === variables ? parseEnvironment(source) : parseFile(source)
}

function parseEnvironment(source: Source): { fields: Partial<Record<FieldName, string>>; faults: Fault[] } {
  const fields = textFields(Object.entries(source.values))
  const [user = '', tokenId = ''] = (fields.user ?? '').split('!')
  return { fields: { ...fields, user, tokenId }, faults: usernameFaults(fields.user) }
}

const userAtRealm = /^[\w.-]+@[\w.-]+$/

/** What is wrong with the two together; each by itself is checked as in the file. */
function usernameFaults(username: string | undefined): Fault[] {
  if (username === undefined) return []
  const fault = (what: string, fix: string): Fault[] => [{ name: variables.user, what, fix }]
  const [user, tokenId] = username.replace(/^PVEAPIToken=/, '').split('!')
  if (!tokenId) {
    const known = userAtRealm.test(user!) ? user : 'USER@REALM'
    return fault(
      'holds no token id',
      `set it to ${known}!TOKENID: Packer's API token login wants user@realm!tokenid`,
    )
  }
  if (user === '') return fault('holds no user', 'set it to USER@REALM!TOKENID')
  if (userAtRealm.test(tokenId)) {
    return fault('has the realm behind the !', 'set it to USER@REALM!TOKENID: the realm belongs to the user')
  }
  const bare = `${user}!${/^[\w.-]*/.exec(tokenId)![0]}`
  return bare === username ? [] : fault('holds more than user@realm!tokenid', `set it to ${bare}`)
}

function parseFile(source: Source): { fields: Partial<Record<FieldName, string>>; faults: Fault[] } {
  const byKey = new Map(Object.entries(fileKeys).map(([field, key]) => [key, field]))
  const faults: Fault[] = []
  const entries: [string, unknown][] = []
  for (const [key, value] of Object.entries(source.values)) {
    const field = byKey.get(key)
    if (field === undefined) faults.push(unknownKey(key, byKey.keys()))
    else entries.push([field, value])
  }
  return { fields: textFields(entries), faults }
}

function unknownKey(key: string, known: Iterable<string>): Fault {
  const close = nearest(key, known)
  return {
    name: key,
    what: 'is no key of this file',
    fix: close === undefined ? 'take it away' : `rename it to ${close}`,
  }
}

function textFields(entries: [string, unknown][]): Partial<Record<FieldName, string>> {
  return Object.fromEntries(
    entries
      .filter(([, value]) => value !== undefined && value !== null && value !== '')
      .map(([field, value]) => [field, String(value)]),
  )
}
