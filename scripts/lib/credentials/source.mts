/** Values of credentials from the environment or from the SOPS file, under common names. */

import { nearest } from '../run/nearest.mts'

/** Fault of a value. */
export interface Fault {
  /** Name of the value in its source: `proxmox_url` or `PROXMOX_URL`. */
  name: string
  /** Continues the name: `ends with a slash`. */
  what: string
  fix: string
}

/**
 * Field -> its key in `secrets/proxmox-creds.enc.yaml` and its variable in a direnv shell. User and token id share one
 * variable, in Packer's format.
 */
const FIELDS = {
  url: ['proxmox_url', 'PROXMOX_URL'],
  user: ['proxmox_user', 'PROXMOX_USERNAME'],
  tokenId: ['proxmox_token_id', 'PROXMOX_USERNAME'],
  tokenSecret: ['proxmox_token_secret', 'PROXMOX_TOKEN'],
  node: ['proxmox_node', 'PROXMOX_NODE'],
  storagePool: ['proxmox_storage_pool', 'PROXMOX_STORAGE_POOL'],
  password: ['proxmox_password', 'PROXMOX_PASSWORD'],
  caFile: ['proxmox_ca_file', 'PROXMOX_CA_FILE'],
  skipTlsVerify: ['proxmox_skip_tls_verify', 'PROXMOX_SKIP_TLS_VERIFY'],
  sshUser: ['proxmox_ssh_user', 'PROXMOX_SSH_USER'],
  sshPrivateKey: ['proxmox_ssh_private_key', 'PROXMOX_SSH_PRIVATE_KEY'],
  sshAddress: ['proxmox_ssh_address', 'PROXMOX_SSH_ADDRESS'],
  sshHostKey: ['proxmox_ssh_host_key', 'PROXMOX_SSH_HOST_KEY'],
} as const

type FieldName = keyof typeof FIELDS
type Names = Record<FieldName, string>

const FILE_KEYS = Object.fromEntries(Object.entries(FIELDS).map(([field, [key]]) => [field, key])) as Names
const VARIABLES = Object.fromEntries(
  Object.entries(FIELDS).map(([field, [, variable]]) => [field, variable]),
) as Names

/** Keys of the file whose values nobody else may read. */
export const SECRET_KEYS = [FILE_KEYS.tokenSecret, FILE_KEYS.password, FILE_KEYS.sshPrivateKey]

/** Origin of the values, and their names there. */
export interface Source {
  /** `environment` or the name of the file. */
  label: string
  names: Names
  values: Record<string, unknown>
  howToSet(field: FieldName): string
}

/** @param label Name of the file. @param edit Beginning of a hint: how to edit the file. */
export function fileSource(
  label: string,
  values: Record<string, unknown>,
  edit = `sops edit ${label}, and`,
): Source {
  return { label, names: FILE_KEYS, values, howToSet: field => `${edit} add ${FILE_KEYS[field]}` }
}

/** @param env usually `process.env`. */
export function environmentSource(env: NodeJS.ProcessEnv): Source {
  const values = Object.fromEntries(
    Object.entries(VARIABLES).map(([field, name]) => [field, env[name] === '' ? undefined : env[name]]),
  )
  return {
    label: 'environment',
    names: VARIABLES,
    values,
    howToSet: field =>
      `set ${VARIABLES[field]}, or unset PROXMOX_URL, PROXMOX_USERNAME and PROXMOX_TOKEN so that the SOPS file is read`,
  }
}

interface Parsed {
  fields: Partial<Record<FieldName, string>>
  faults: Fault[]
}

/** Reads the fields of a source as text, without empty ones. Each unknown key of a file is a fault. */
export function parse(source: Source): Parsed {
  return source.names === VARIABLES ? parseEnvironment(source) : parseFile(source)
}

function parseEnvironment(source: Source): Parsed {
  const fields = textFields(Object.entries(source.values))
  const [user = '', tokenId = ''] = (fields.user ?? '').split('!')
  return { fields: { ...fields, user, tokenId }, faults: usernameFaults(fields.user) }
}

const USER_AT_REALM = /^[\w.-]+@[\w.-]+$/

/** Faults of user and token id together. `checkedCredentials` checks each of them. */
function usernameFaults(username: string | undefined): Fault[] {
  if (username === undefined) return []
  const fault = (what: string, fix: string): Fault[] => [{ name: VARIABLES.user, what, fix }]
  const [user, tokenId] = username.replace(/^PVEAPIToken=/, '').split('!')
  if (!tokenId) {
    const known = USER_AT_REALM.test(user!) ? user : 'USER@REALM'
    return fault(
      'holds no token id',
      `set it to ${known}!TOKENID: Packer's API token login wants user@realm!tokenid`,
    )
  }
  if (user === '') return fault('holds no user', 'set it to USER@REALM!TOKENID')
  if (USER_AT_REALM.test(tokenId)) {
    return fault('has the realm after the !', 'set it to USER@REALM!TOKENID: the realm belongs to the user')
  }
  const bare = `${user}!${/^[\w.-]*/.exec(tokenId)![0]}`
  return bare === username ? [] : fault('holds more than user@realm!tokenid', `set it to ${bare}`)
}

function parseFile(source: Source): Parsed {
  const byKey = new Map(Object.entries(FILE_KEYS).map(([field, key]) => [key, field]))
  const faults: Fault[] = []
  const entries: [string, unknown][] = []
  for (const [key, value] of Object.entries(source.values)) {
    const field = byKey.get(key)
    if (field === undefined) faults.push(unknownKey(key, byKey.keys()))
    else entries.push([field, value])
  }
  return { fields: textFields(entries), faults }
}

/** Keys of the predecessor's file, and what took their place. */
const SUCCESSORS: Record<string, string> = {
  proxmox_iso_storage: 'remove it, and set `image_storage` in config/proxmint.yaml',
  proxmox_tls_insecure: 'rename it to proxmox_skip_tls_verify',
  ssh_public_key: 'remove it, and set `ssh_authorized_keys` of `cloud_init` in config/vm.yaml',
}

function unknownKey(key: string, known: Iterable<string>): Fault {
  const close = nearest(key, known)
  const fix = close === undefined ? 'remove it' : `rename it to ${close}`
  return { name: key, what: 'is not a key of this file', fix: SUCCESSORS[key] ?? fix }
}

function textFields(entries: [string, unknown][]): Parsed['fields'] {
  return Object.fromEntries(
    entries
      .filter(([, value]) => value !== undefined && value !== null && value !== '')
      .map(([field, value]) => [field, String(value)]),
  )
}
