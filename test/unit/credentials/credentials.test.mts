import { homedir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  type Credentials,
  checkedCredentials,
  requirePassword,
} from '../../../scripts/lib/credentials/credentials.mts'
import { environmentSource, fileSource } from '../../../scripts/lib/credentials/source.mts'
import { editCommand } from '../../../scripts/lib/site/credentials-command.mts'
import { failureOf } from '../failure.mts'
import { sampleCredentials, secret } from './sample.mts'

const goodFile = {
  proxmox_url: 'https://pve.example.net:8006/api2/json',
  proxmox_user: 'terraform@pve',
  proxmox_token_id: 'terraform-token',
  proxmox_token_secret: secret,
  proxmox_node: 'pve',
  proxmox_storage_pool: 'tank',
}

const goodEnvironment = {
  PROXMOX_URL: 'https://pve.example.net:8006/api2/json',
  PROXMOX_USERNAME: 'terraform@pve!terraform-token',
  PROXMOX_TOKEN: secret,
  PROXMOX_NODE: 'pve',
  PROXMOX_STORAGE_POOL: 'tank',
}

type Values = Record<string, unknown>

const fromFile = (changes: Values) =>
  checkedCredentials(fileSource('creds.yaml', { ...goodFile, ...changes }))

const fromEnvironment = (changes: NodeJS.ProcessEnv) =>
  checkedCredentials(environmentSource({ ...goodEnvironment, ...changes }))

describe('what is accepted', () => {
  test.each<[string, Values, Partial<Credentials>]>([
    ['the six required keys', {}, {}],
    ['a password', { proxmox_password: 'correct horse' }, { password: 'correct horse' }],
    ['a CA file', { proxmox_ca_file: '/etc/ssl/pve.pem' }, { caFile: '/etc/ssl/pve.pem' }],
    ['a CA file in the home', { proxmox_ca_file: '~/pve.pem' }, { caFile: join(homedir(), 'pve.pem') }],
    [
      'host keys of the nodes',
      { proxmox_ssh_host_key: 'ssh-ed25519 AAAA root@pve\n192.0.2.11 ssh-rsa BBBB==' },
      { sshHostKey: 'ssh-ed25519 AAAA root@pve\n192.0.2.11 ssh-rsa BBBB==' },
    ],
    ['a YAML boolean', { proxmox_skip_tls_verify: true }, { skipTlsVerify: true }],
    ['a quoted boolean', { proxmox_skip_tls_verify: 'true' }, { skipTlsVerify: true }],
    ['false', { proxmox_skip_tls_verify: false }, { skipTlsVerify: false }],
    [
      'SSH to the node',
      { proxmox_ssh_user: 'root', proxmox_ssh_private_key: 'KEY', proxmox_ssh_address: '192.0.2.10' },
      { ssh: { user: 'root', privateKey: 'KEY', address: '192.0.2.10' } },
    ],
    [
      'optional keys that are empty',
      { proxmox_password: '', proxmox_ca_file: null, proxmox_skip_tls_verify: '' },
      { password: undefined, caFile: undefined, skipTlsVerify: false },
    ],
    ['a numeric node name', { proxmox_node: 7 }, { node: '7' }],
    ['a user name with an @', { proxmox_user: 'jo@example.net@ad' }, { user: 'jo@example.net@ad' }],
    [
      'an upper-case secret',
      { proxmox_token_secret: secret.toUpperCase() },
      { tokenSecret: secret.toUpperCase() },
    ],
    ['root@pam', { proxmox_user: 'root@pam' }, { user: 'root@pam' }],
  ])('%s', (_, changes, expected) => {
    const credentials = { ...sampleCredentials, urlFrom: 'proxmox_url in creds.yaml', ...expected }
    expect(fromFile(changes)).toEqual({ credentials, warnings: [] })
  })

  test('the environment of a direnv shell', () => {
    const credentials = { ...sampleCredentials, urlFrom: 'PROXMOX_URL in the environment' }
    expect(fromEnvironment({})).toEqual({ credentials, warnings: [] })
  })

  test('empty variables count as unset', () => {
    const { credentials } = fromEnvironment({ PROXMOX_PASSWORD: '', PROXMOX_SKIP_TLS_VERIFY: '' })
    expect(credentials).toMatchObject({ password: undefined, skipTlsVerify: false })
  })
})

describe('a warning, not a fault', () => {
  test('a @pam user other than root, in the file', () => {
    expect(fromFile({ proxmox_user: 'terraform@pam' }).warnings).toEqual([
      'proxmox_user is terraform@pam: @pam users are Linux accounts of the node; a user made in Proxmox alone is terraform@pve',
    ])
  })

  test('the same in the environment', () => {
    expect(fromEnvironment({ PROXMOX_USERNAME: 'terraform@pam!terraform-token' }).warnings).toEqual([
      'PROXMOX_USERNAME is terraform@pam: @pam users are Linux accounts of the node; a user made in Proxmox alone is terraform@pve',
    ])
  })
})

const setTo = (url: string) => `set it to ${url}`
const rightUrl = setTo('https://pve.example.net:8006/api2/json')
const lostSecret =
  'a token secret looks like 01234567-89ab-cdef-0123-456789abcdef; Proxmox shows it once: make a new token if it is lost'
const noLogin = `${rightUrl}; the login has keys of its own`
const bareSecret = 'keep only the secret, after the last `=`'

describe('one mistake in the file', () => {
  test.each<[key: string, value: unknown, what: string, fix: string]>([
    ['proxmox_url', 'https://pve.example.net:8006', 'lacks the path /api2/json', rightUrl],
    ['proxmox_url', 'https://pve.example.net:8006/#v1:0:18', 'lacks the path /api2/json', rightUrl],
    ['proxmox_url', 'https://pve.example.net:8006/api2/json/', 'ends with a slash', rightUrl],
    ['proxmox_url', 'https://pve.example.net:8006/', 'ends with a slash', rightUrl],
    ['proxmox_url', 'http://pve.example.net:8006/api2/json', 'does not begin with https://', rightUrl],
    ['proxmox_url', 'pve.example.net:8006/api2/json', 'does not begin with https://', rightUrl],
    ['proxmox_url', 'pve.example.net:8006', 'does not begin with https://', rightUrl],
    ['proxmox_url', 'https://root:hunter2@pve.example.net:8006', 'holds a user or a password', noLogin],
    [
      'proxmox_url',
      'https://root:hunter2@pve.example.net:8006/api2/json',
      'holds a user or a password',
      noLogin,
    ],
    ['proxmox_url', 'https://root@pve.example.net:8006/api2/json', 'holds a user or a password', noLogin],
    ['proxmox_url', 'not a url', 'is not a URL', rightUrl],
    [
      'proxmox_user',
      'terraform@pve!terraform-token',
      'holds a token id (`!terraform-token`)',
      'set it to terraform@pve, and put terraform-token into the value for the token id',
    ],
    [
      'proxmox_user',
      `PVEAPIToken=terraform@pve!terraform-token=${secret}`,
      'holds a token id (`!terraform-token`)',
      'set it to terraform@pve, and put terraform-token into the value for the token id',
    ],
    ['proxmox_user', 'terraform', 'has no realm', 'set it to terraform@pve (or the realm the user is in)'],
    ['proxmox_user', 'terraform@', 'has no realm', 'set it to terraform@pve (or the realm the user is in)'],
    ['proxmox_user', `terraform@pve=${secret}`, 'has no realm', 'set it to USER@REALM'],
    [
      'proxmox_token_id',
      'terraform@pve!terraform-token',
      'is not a bare token id',
      "set it to terraform-token, the token's name alone",
    ],
    [
      'proxmox_token_id',
      `PVEAPIToken=terraform@pve!terraform-token=${secret}`,
      'is not a bare token id',
      "set it to terraform-token, the token's name alone",
    ],
    [
      'proxmox_token_id',
      'terraform@pve',
      'holds a user',
      "it belongs in proxmox_user; set this one to the token's name alone",
    ],
    [
      'proxmox_token_secret',
      'terraform@pve!terraform-token',
      'holds a user',
      'it belongs in proxmox_user; set this one to the secret that Proxmox showed',
    ],
    [
      'proxmox_token_id',
      '1',
      'is not a bare token id',
      "set it to the token's name alone, as in `pveum user token add USER NAME`",
    ],
    [
      'proxmox_token_secret',
      `PVEAPIToken=terraform@pve!terraform-token=${secret}`,
      'holds the full token',
      bareSecret,
    ],
    ['proxmox_token_secret', `terraform@pve!terraform-token=${secret}`, 'holds the full token', bareSecret],
    [
      'proxmox_token_secret',
      'your-secret-here',
      'still holds the sample value',
      'set it to the secret that Proxmox showed when the token was made',
    ],
    ['proxmox_token_secret', 'hunter2hunter2', 'is not a UUID', lostSecret],
    ['proxmox_token_secret', secret.slice(0, -1), 'is not a UUID', lostSecret],
    [
      'proxmox_skip_tls_verify',
      'yes',
      'is neither true nor false',
      'set it to true or false, or remove it (false)',
    ],
    ['proxmox_toke_id', 'x', 'is not a key of this file', 'rename it to proxmox_token_id'],
    ['colour', 'blue', 'is not a key of this file', 'remove it'],
    [
      'proxmox_iso_storage',
      'local',
      'is not a key of this file',
      'remove it, and set `image_storage` in config/proxmint.yaml',
    ],
    ['proxmox_tls_insecure', true, 'is not a key of this file', 'rename it to proxmox_skip_tls_verify'],
    [
      'ssh_public_key',
      'ssh-ed25519 AAAA',
      'is not a key of this file',
      'remove it, and set `ssh_authorized_keys` of `cloud_init` in config/vm.yaml',
    ],
    [
      'proxmox_ssh_host_key',
      'SHA256:abc',
      'holds a line that is not an SSH host key',
      'one line per node, as in /etc/ssh/ssh_host_ed25519_key.pub there: ssh-ed25519 AAAA...; with several nodes put the address before it',
    ],
  ])('%s: %s', async (key, value, what, fix) => {
    expect(await failureOf(() => fromFile({ [key]: value }))).toEqual({
      message: `creds.yaml: ${key} ${what}`,
      hint: fix,
      exitCode: 3,
      facts: {},
    })
  })

  test.each(Object.keys(goodFile))('%s missing, empty or null', async key => {
    for (const value of [undefined, '', null]) {
      expect(await failureOf(() => fromFile({ [key]: value }))).toEqual({
        message: `creds.yaml: ${key} is missing`,
        hint: `sops edit creds.yaml, and add ${key}`,
        exitCode: 3,
        facts: {},
      })
    }
  })
})

describe('one mistake in the environment', () => {
  const unset = 'or unset PROXMOX_URL, PROXMOX_USERNAME and PROXMOX_TOKEN so that the SOPS file is read'

  test.each<[name: string, value: string, what: string, fix: string]>([
    ['PROXMOX_URL', 'https://pve.example.net:8006', 'lacks the path /api2/json', rightUrl],
    ['PROXMOX_URL', 'https://pve.example.net:8006/api2/json/', 'ends with a slash', rightUrl],
    ['PROXMOX_URL', 'http://pve.example.net:8006/api2/json', 'does not begin with https://', rightUrl],
    [
      'PROXMOX_USERNAME',
      'terraform@pve',
      'holds no token id',
      "set it to terraform@pve!TOKENID: Packer's API token login wants user@realm!tokenid",
    ],
    [
      'PROXMOX_USERNAME',
      'terraform@pve!',
      'holds no token id',
      "set it to terraform@pve!TOKENID: Packer's API token login wants user@realm!tokenid",
    ],
    ['PROXMOX_USERNAME', '!terraform-token', 'holds no user', 'set it to USER@REALM!TOKENID'],
    [
      'PROXMOX_USERNAME',
      'terraform-token!terraform@pve',
      'has the realm after the !',
      'set it to USER@REALM!TOKENID: the realm belongs to the user',
    ],
    [
      'PROXMOX_USERNAME',
      'terraform@pve!b',
      'does not hold a token id after the !',
      'set it to terraform@pve!TOKENID: a letter, then at least one more letter, digit, dot, hyphen or _',
    ],
    [
      'PROXMOX_TOKEN',
      'terraform@pve!terraform-token',
      'holds a user',
      'it belongs in PROXMOX_USERNAME; set this one to the secret that Proxmox showed',
    ],
    [
      'PROXMOX_USERNAME',
      'terraform!terraform-token',
      'has no realm',
      'set it to terraform@pve!terraform-token (or the realm the user is in)',
    ],
    [
      'PROXMOX_USERNAME',
      `PVEAPIToken=terraform@pve!terraform-token=${secret}`,
      'holds more than user@realm!tokenid',
      'set it to terraform@pve!terraform-token',
    ],
    [
      'PROXMOX_USERNAME',
      `terraform@pve!terraform-token=${secret}`,
      'holds more than user@realm!tokenid',
      'set it to terraform@pve!terraform-token',
    ],
    [
      'PROXMOX_TOKEN',
      `PVEAPIToken=terraform@pve!terraform-token=${secret}`,
      'holds the full token',
      bareSecret,
    ],
    ['PROXMOX_TOKEN', 'hunter2hunter2', 'is not a UUID', lostSecret],
    [
      'PROXMOX_SKIP_TLS_VERIFY',
      '1',
      'is neither true nor false',
      'set it to true or false, or remove it (false)',
    ],
    ['PROXMOX_URL', '', 'is missing', `set PROXMOX_URL, ${unset}`],
    ['PROXMOX_USERNAME', '', 'is missing', `set PROXMOX_USERNAME, ${unset}`],
    ['PROXMOX_TOKEN', '', 'is missing', `set PROXMOX_TOKEN, ${unset}`],
    ['PROXMOX_NODE', '', 'is missing', `set PROXMOX_NODE, ${unset}`],
    ['PROXMOX_STORAGE_POOL', '', 'is missing', `set PROXMOX_STORAGE_POOL, ${unset}`],
  ])('%s=%s', async (name, value, what, fix) => {
    expect(await failureOf(() => fromEnvironment({ [name]: value }))).toEqual({
      message: `environment: ${name} ${what}`,
      hint: fix,
      exitCode: 3,
      facts: {},
    })
  })
})

test('several mistakes are told at once, each with its fix', async () => {
  const mistakes = {
    proxmox_url: 'https://pve.example.net:8006',
    proxmox_user: 'terraform',
    proxmox_node: '',
    proxmox_tocken_id: 'x',
  }
  expect(await failureOf(() => fromFile(mistakes))).toEqual({
    message: [
      'creds.yaml: 4 faults:',
      '  - proxmox_tocken_id is not a key of this file',
      '    fix: rename it to proxmox_token_id',
      '  - proxmox_node is missing',
      '    fix: sops edit creds.yaml, and add proxmox_node',
      '  - proxmox_url lacks the path /api2/json',
      '    fix: set it to https://pve.example.net:8006/api2/json',
      '  - proxmox_user has no realm',
      '    fix: set it to terraform@pve (or the realm the user is in)',
    ].join('\n'),
    hint: 'correct each as its `fix` says',
    exitCode: 3,
    facts: {},
  })
})

describe('no secret is in any message, wherever it was put', () => {
  const shapes = [
    secret,
    `=${secret}`,
    `terraform-token=${secret}`,
    `terraform@pve=${secret}`,
    `terraform@pve!terraform-token=${secret}`,
    `terraform@pve!terraform-token:${secret}`,
    `PVEAPIToken=terraform@pve!terraform-token=${secret}`,
    `terraform=${secret}!1`,
    `${secret}!terraform@pve`,
  ]
  const misplaced = ['proxmox_user', 'proxmox_token_id', 'proxmox_skip_tls_verify', 'proxmox_token_secret']
    .flatMap(key => shapes.map((shape): [string, string] => [key, shape]))
    .filter(([key, shape]) => key !== 'proxmox_token_secret' || shape !== secret)

  test.each(misplaced)('%s: %s', async (key, value) => {
    expect(JSON.stringify(await failureOf(() => fromFile({ [key]: value })))).not.toContain(secret)
  })

  test.each(shapes)('PROXMOX_USERNAME=%s', async value => {
    expect(JSON.stringify(await failureOf(() => fromEnvironment({ PROXMOX_USERNAME: value })))).not.toContain(
      secret,
    )
  })
})

test.each([
  ['path', 'sops edit creds.enc.yaml'],
  ['system', 'sops edit creds.enc.yaml'],
  ['release', "'/home/jo doe/tools/sops' edit creds.enc.yaml"],
  ['go', "'/home/jo doe/tools/sops' edit creds.enc.yaml"],
] as const)('sops of the origin %s is told as it can be typed', (origin, line) => {
  expect(editCommand({ file: '/home/jo doe/tools/sops', origin }, 'creds.enc.yaml')).toBe(line)
})

describe('the password that only Packer 1.6.x needs', () => {
  test('there', () => {
    expect(requirePassword({ ...sampleCredentials, password: 'correct horse' })).toBe('correct horse')
  })

  test('not there', async () => {
    expect(await failureOf(() => requirePassword(sampleCredentials))).toEqual({
      message: 'this Packer (1.6.x) knows no API tokens, and the credentials hold no password',
      hint: 'install Packer 1.10 or newer, or add proxmox_password (of terraform@pve) to secrets/proxmox-creds.enc.yaml',
      exitCode: 4,
      facts: {},
    })
  })
})
