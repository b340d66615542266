import { exitCodes, ProxmintError } from '../run/errors.mts'
import { type Fault, parse, type Source } from './source.mts'

/** What one run needs to reach Proxmox VE. */
export interface Credentials {
  /** `https://HOST:PORT/api2/json`. */
  url: string
  /** Where that is set, for a person: `PROXMOX_URL in the environment`. */
  urlFrom?: string | undefined
  /** `user@realm`. */
  user: string
  /** The name of the API token alone. */
  tokenId: string
  /** The UUID Proxmox showed once. */
  tokenSecret: string
  node: string
  storagePool: string
  /** The user's password; only Packer 1.6.x, which knows no API tokens, logs in with it. */
  password?: string | undefined
  /** PEM file of the certificate authority that signed the API's certificate. */
  caFile?: string | undefined
  skipTlsVerify: boolean
  /** What only SSH to the node can do: snippets for cloud-init. */
  ssh?: { user: string; privateKey: string | undefined; address: string | undefined } | undefined
}

const placeholder = /^(your-|changeme|<.*>$|0{8}-0{4}-0{4}-0{4}-0{12}$)/i
/** `user@realm`; the user's name itself may hold an `@`. */
const userId = /^[^\s:/!=]+@[A-Za-z][\w.-]*$/
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * Checks the six required values and the optional ones, all at once.
 * @throws ProxmintError (invalid) that lists every fault with its fix.
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
    caFile: fields.caFile,
    skipTlsVerify: fields.skipTlsVerify === 'true',
    ssh:
      fields.sshUser === undefined
        ? undefined
        : { user: fields.sshUser, privateKey: fields.sshPrivateKey, address: fields.sshAddress },
  }
  return { credentials, warnings: warningsOf(source, credentials) }
}

/** What is missing has no wrong format too: one fault a value is enough to mend it. */
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
    hint: faults.length === 1 ? first!.fix : 'mend each as its `fix` says',
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
  ]
}

function missing(source: Source, fields: Fields): Fault[] {
  const required = ['url', 'user', 'tokenId', 'tokenSecret', 'node', 'storagePool'] as const
  return required
    .filter(key => fields[key] === undefined || fields[key] === '')
    .map(key => ({ name: source.names[key], what: 'is missing', fix: source.howToSet(key) }))
}

function urlFaults(name: string, url: string | undefined): Fault[] {
  if (url === undefined || url === '') return []
  const fault = (what: string, fixed: string): Fault[] => [{ name, what, fix: `set it to ${fixed}` }]
  const example = 'https://pve.example.net:8006/api2/json'
  if (!URL.canParse(url)) return fault('is no URL', example)
  const host = /^(?:\w+:\/\/)?(?:[^/@]*@)?([^/]*)/.exec(url)![1]
  const right = `https://${host}/api2/json`
  if (!url.startsWith('https://')) return fault('does not begin with https://', right)
  if (url.endsWith('/')) return fault('ends with a slash', right)
  if (!url.endsWith('/api2/json')) return fault('lacks the path /api2/json', right)
  return []
}

function userFaults(source: Source, { user, tokenId }: Fields): Fault[] {
  const name = source.names.user
  if (user === undefined || user === '' || userId.test(user)) return []
  const [, account, token = ''] = /^(?:PVEAPIToken=)?([^!]+)!([\w.-]+)/.exec(user) ?? []
  // Only what looks right is shown again: the rest may hold the secret.
  if (account !== undefined && !(userId.test(account) && isTokenName(token))) {
    return [{ name, what: 'holds more than a user', fix: 'set it to USER@REALM' }]
  }
  if (account !== undefined) {
    const fix = `set it to ${account} and put ${token} where the token id belongs`
    return [{ name, what: `holds a token id (\`!${token}\`)`, fix }]
  }
  const suffix = source.names.tokenId === name ? `!${tokenId}` : ''
  const fix =
    /^[\w.-]+@?$/.test(user) && !uuid.test(user)
      ? `set it to ${user.replace('@', '')}@pve${suffix} (or the realm the user is in)`
      : 'set it to USER@REALM'
  return [{ name, what: 'has no realm', fix }]
}

function tokenIdFaults({ names }: Source, { tokenId, user }: Fields): Fault[] {
  const name = names.tokenId
  if (tokenId === undefined || tokenId === '' || isTokenName(tokenId)) return []
  if (name === names.user) {
    const known = userId.test(user ?? '') ? user : 'USER@REALM'
    const fix = `set it to ${known}!TOKENID: a letter, then at least one more letter, digit, dot, hyphen or _`
    return [{ name, what: 'holds something else than a token id behind the !', fix }]
  }
  if (userId.test(tokenId)) {
    const fix = `it belongs in ${names.user}; set this one to the token's name alone`
    return [{ name, what: 'holds a user', fix }]
  }
  const alone = tokenId
    .replace(/^PVEAPIToken=/, '')
    .split('=')[0]!
    .split('!')
    .at(-1)!
  const fix = isTokenName(alone)
    ? `set it to ${alone}, the token's name alone`
    : "set it to the token's name alone, as in `pveum user token add USER NAME`"
  return [{ name, what: 'is not a bare token id', fix }]
}

/** Proxmox would take a UUID for a name too, but then name and secret were swapped. */
function isTokenName(text: string): boolean {
  return /^[A-Za-z][\w.-]+$/.test(text) && !uuid.test(text)
}

function secretFaults(names: Source['names'], secret: string | undefined): Fault[] {
  const name = names.tokenSecret
  if (secret === undefined || secret === '') return []
  if (/^PVEAPIToken=|!.*=/.test(secret)) {
    return [
      { name, what: 'holds the full token', fix: 'keep only the secret: what stands after the last `=`' },
    ]
  }
  if (placeholder.test(secret)) {
    return [
      {
        name,
        what: 'still holds the sample value',
        fix: 'put the secret there that Proxmox showed when the token was made',
      },
    ]
  }
  if (userId.test(secret.split('!')[0]!)) {
    const fix = `it belongs in ${names.user}; set this one to the secret that Proxmox showed`
    return [{ name, what: 'holds a user', fix }]
  }
  if (!uuid.test(secret)) {
    return [
      {
        name,
        what: 'is no UUID',
        fix: 'a token secret looks like 01234567-89ab-cdef-0123-456789abcdef; Proxmox shows it once: make a new token if it is lost',
      },
    ]
  }
  return []
}

function booleanFaults(name: string, value: string | undefined): Fault[] {
  if (value === undefined || value === 'true' || value === 'false') return []
  return [
    { name, what: 'is neither true nor false', fix: 'set it to true or false, or take it away (false)' },
  ]
}

/** `@pam` is legal, but nearly always a slip for anybody but root. */
function warningsOf(source: Source, { user }: Credentials): string[] {
  if (!user.endsWith('@pam') || user === 'root@pam') return []
  return [
    `${source.names.user} is ${user}: @pam users are Linux accounts of the node; ` +
      `a user made in Proxmox alone is ${user.replace('@pam', '@pve')}`,
  ]
}

/** What Packer 1.6.x needs beyond the API token. @throws ProxmintError that says where to add it. */
export function requirePassword(credentials: Credentials): string {
  if (credentials.password !== undefined) return credentials.password
  throw new ProxmintError('this Packer (1.6.x) knows no API tokens, and the credentials hold no password', {
    hint: `install Packer 1.10 or newer, or add proxmox_password (of ${credentials.user}) to secrets/proxmox-creds.enc.yaml`,
    exitCode: exitCodes.denied,
  })
}
