import { homedir } from 'node:os'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { hostKeyFaults } from './host-key.mts'
import { type Fault, parse, type Source } from './source.mts'

/** Login data for Proxmox VE, checked. */
export interface Credentials {
  /** `https://HOST:PORT/api2/json`. */
  url: string
  /** Name of the setting that has the URL, for error messages: `PROXMOX_URL in the environment`. */
  urlFrom?: string | undefined
  /** `user@realm`. */
  user: string
  /** Name of the API token, without the user. */
  tokenId: string
  /** UUID that Proxmox showed once. */
  tokenSecret: string
  node: string
  storagePool: string
  /** Password of the user. Only Packer 1.6.x needs it, which does not support API tokens. */
  password?: string | undefined
  /** PEM file of the certificate authority that signed the API's certificate. */
  caFile?: string | undefined
  skipTlsVerify: boolean
  /** SSH login to the node, only for uploads of cloud-init snippets. */
  ssh?: { user: string; privateKey: string | undefined; address: string | undefined } | undefined
  /** Host keys of the nodes, as `knownHosts` reads them. Undefined: the first key that a node shows is trusted. */
  sshHostKey?: string | undefined
}

const PLACEHOLDER = /^(your-|changeme|<.*>$|0{8}-0{4}-0{4}-0{4}-0{12}$)/i
/** `user@realm`; the name of the user may contain an `@`. */
const USER_ID = /^[^\s:/!=]+@[A-Za-z][\w.-]*$/
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * Checks all values of a source.
 * @throws ProxmintError (invalid) With every fault and its fix.
 */
export function checkedCredentials(source: Source): { credentials: Credentials; warnings: string[] } {
  const values = parse(source)
  const faults = firstPerName([...values.faults, ...faultsOf(source, values.fields)])
  if (faults.length > 0) throw faultyCredentials(source, faults)
  const { fields } = values
  const credentials: Credentials = {
    url: fields.url!,
    urlFrom: `${source.names.url} in ${source.label === 'environment' ? 'the environment' : source.label}`,
    user: fields.user!,
    tokenId: fields.tokenId!,
    tokenSecret: fields.tokenSecret!,
    node: fields.node!,
    storagePool: fields.storagePool!,
    password: fields.password,
    caFile: fields.caFile?.replace(/^~(?=\/)/, homedir()),
    skipTlsVerify: fields.skipTlsVerify === 'true',
    ssh:
      fields.sshUser === undefined
        ? undefined
        : { user: fields.sshUser, privateKey: fields.sshPrivateKey, address: fields.sshAddress },
    sshHostKey: fields.sshHostKey,
  }
  return { credentials, warnings: warningsOf(source, credentials) }
}

/** Keeps the first fault of each value: a missing value needs no complaint about its format. */
function firstPerName(faults: Fault[]): Fault[] {
  return faults.filter((fault, index) => faults.findIndex(other => other.name === fault.name) === index)
}

function faultyCredentials(source: Source, faults: Fault[]): ProxmintError {
  const [first] = faults
  const message =
    faults.length === 1
      ? `${source.label}: ${first!.name} ${first!.what}`
      : `${source.label}: ${faults.length} faults:\n${faults.map(f => `  - ${f.name} ${f.what}\n    fix: ${f.fix}`).join('\n')}`
  return new ProxmintError(message, {
    hint: faults.length === 1 ? first!.fix : 'correct each as its `fix` says',
    exitCode: exitCodes.invalid,
  })
}

type Fields = ReturnType<typeof parse>['fields']

function faultsOf(source: Source, fields: Fields): Fault[] {
  return [
    ...missing(source, fields),
    ...urlFaults(source.names.url, fields.url),
    ...userFaults(source, fields),
    ...tokenIdFaults(source, fields),
    ...secretFaults(source.names, fields.tokenSecret),
    ...booleanFaults(source.names.skipTlsVerify, fields.skipTlsVerify),
    ...hostKeyFaults(source.names.sshHostKey, fields.sshHostKey),
  ]
}

function fault(name: string, what: string, fix: string): Fault[] {
  return [{ name, what, fix }]
}

function missing(source: Source, fields: Fields): Fault[] {
  const required = ['url', 'user', 'tokenId', 'tokenSecret', 'node', 'storagePool'] as const
  return required
    .filter(key => fields[key] === undefined || fields[key] === '')
    .map(key => ({ name: source.names[key], what: 'is missing', fix: source.howToSet(key) }))
}

function urlFaults(name: string, url: string | undefined): Fault[] {
  if (url === undefined || url === '') return []
  if (!URL.canParse(url)) {
    return fault(name, 'is not a URL', 'set it to https://pve.example.net:8006/api2/json')
  }
  const host = /^(?:\w+:\/\/)?(?:[^/@]*@)?([^/]*)/.exec(url)![1]
  const fix = `set it to https://${host}/api2/json`
  if (hasLogin(url)) return fault(name, 'holds a user or a password', `${fix}; the login has keys of its own`)
  if (!url.startsWith('https://')) return fault(name, 'does not begin with https://', fix)
  if (url.endsWith('/')) return fault(name, 'ends with a slash', fix)
  if (!url.endsWith('/api2/json')) return fault(name, 'lacks the path /api2/json', fix)
  return []
}

function hasLogin(url: string): boolean {
  const { username, password } = new URL(url)
  return username !== '' || password !== ''
}

function userFaults(source: Source, { user, tokenId }: Fields): Fault[] {
  const name = source.names.user
  if (user === undefined || user === '' || USER_ID.test(user)) return []
  const [, account, token = ''] = /^(?:PVEAPIToken=)?([^!]+)!([\w.-]+)/.exec(user) ?? []
  // Messages repeat only well-formed parts: the rest may contain the secret.
  if (account !== undefined && !(USER_ID.test(account) && isTokenName(token))) {
    return fault(name, 'holds more than a user', 'set it to USER@REALM')
  }
  if (account !== undefined) {
    const fix = `set it to ${account}, and put ${token} into the value for the token id`
    return fault(name, `holds a token id (\`!${token}\`)`, fix)
  }
  const suffix = source.names.tokenId === name ? `!${tokenId}` : ''
  const fix =
    /^[\w.-]+@?$/.test(user) && !UUID.test(user)
      ? `set it to ${user.replace('@', '')}@pve${suffix} (or the realm the user is in)`
      : 'set it to USER@REALM'
  return fault(name, 'has no realm', fix)
}

function tokenIdFaults({ names }: Source, { tokenId, user }: Fields): Fault[] {
  const name = names.tokenId
  if (tokenId === undefined || tokenId === '' || isTokenName(tokenId)) return []
  if (name === names.user) {
    const known = USER_ID.test(user ?? '') ? user : 'USER@REALM'
    const fix = `set it to ${known}!TOKENID: a letter, then at least one more letter, digit, dot, hyphen or _`
    return fault(name, 'does not hold a token id after the !', fix)
  }
  if (USER_ID.test(tokenId)) {
    const fix = `it belongs in ${names.user}; set this one to the token's name alone`
    return fault(name, 'holds a user', fix)
  }
  const alone = tokenId
    .replace(/^PVEAPIToken=/, '')
    .split('=')[0]!
    .split('!')
    .at(-1)!
  const fix = isTokenName(alone)
    ? `set it to ${alone}, the token's name alone`
    : "set it to the token's name alone, as in `pveum user token add USER NAME`"
  return fault(name, 'is not a bare token id', fix)
}

/** True for a valid name of a token. Proxmox would allow a UUID, but then name and secret are probably swapped. */
function isTokenName(text: string): boolean {
  return /^[A-Za-z][\w.-]+$/.test(text) && !UUID.test(text)
}

function secretFaults(names: Source['names'], secret: string | undefined): Fault[] {
  const name = names.tokenSecret
  if (secret === undefined || secret === '') return []
  if (/^PVEAPIToken=|!.*=/.test(secret)) {
    return fault(name, 'holds the full token', 'keep only the secret, after the last `=`')
  }
  if (PLACEHOLDER.test(secret)) {
    return fault(
      name,
      'still holds the sample value',
      'set it to the secret that Proxmox showed when the token was made',
    )
  }
  if (USER_ID.test(secret.split('!')[0]!)) {
    const fix = `it belongs in ${names.user}; set this one to the secret that Proxmox showed`
    return fault(name, 'holds a user', fix)
  }
  if (UUID.test(secret)) return []
  const fix =
    'a token secret looks like 01234567-89ab-cdef-0123-456789abcdef; Proxmox shows it once: make a new token if it is lost'
  return fault(name, 'is not a UUID', fix)
}

function booleanFaults(name: string, value: string | undefined): Fault[] {
  if (value === undefined || value === 'true' || value === 'false') return []
  return fault(name, 'is neither true nor false', 'set it to true or false, or remove it (false)')
}

/** Warns about `@pam`, which is allowed but nearly always a mistake for users other than root. */
function warningsOf(source: Source, { user }: Credentials): string[] {
  if (!user.endsWith('@pam') || user === 'root@pam') return []
  return [
    `${source.names.user} is ${user}: @pam users are Linux accounts of the node; ` +
      `a user made in Proxmox alone is ${user.replace('@pam', '@pve')}`,
  ]
}

/** Warning for `proxmox_skip_tls_verify: true`; undefined if certificates are checked. */
export function tlsWarning({ skipTlsVerify }: Pick<Credentials, 'skipTlsVerify'>): string | undefined {
  if (!skipTlsVerify) return undefined
  return 'proxmox_skip_tls_verify is true: whoever is between this machine and Proxmox can take the API token'
}

/** Remedy for the warning. */
export const TLS_FIX =
  'copy /etc/pve/pve-root-ca.pem from a node, name it in proxmox_ca_file, and remove proxmox_skip_tls_verify'

/** Password for Packer 1.6.x. @throws ProxmintError (denied) If the credentials have none. */
export function requirePassword(credentials: Credentials): string {
  if (credentials.password !== undefined) return credentials.password
  throw new ProxmintError('this Packer (1.6.x) knows no API tokens, and the credentials hold no password', {
    hint: `install Packer 1.10 or newer, or add proxmox_password (of ${credentials.user}) to secrets/proxmox-creds.enc.yaml`,
    exitCode: exitCodes.denied,
  })
}
