import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Credentials } from '../../../scripts/lib/credentials/credentials.mts'
import {
  certificateVariables,
  exportedVariables,
  shellExports,
} from '../../../scripts/lib/credentials/export.mts'
import { SECRET_VARIABLES } from '../../../scripts/lib/run/exec.mts'
import { sampleCredentials, secret } from './sample.mts'

const always = {
  PROXMOX_URL: 'https://pve.example.net:8006/api2/json',
  PROXMOX_USERNAME: 'terraform@pve!terraform-token',
  PROXMOX_TOKEN: secret,
  PROXMOX_API_TOKEN: `PVEAPIToken=terraform@pve!terraform-token=${secret}`,
  PROXMOX_NODE: 'pve',
  PROXMOX_STORAGE_POOL: 'tank',
  PROXMOX_SKIP_TLS_VERIFY: 'false',
  PROXMOX_VE_ENDPOINT: 'https://pve.example.net:8006/',
  PROXMOX_VE_API_TOKEN: `terraform@pve!terraform-token=${secret}`,
  PROXMOX_VE_INSECURE: 'false',
}

test('no secret of a shell reaches the programs that it is not for', () => {
  const ssh = { user: 'root', privateKey: `KEY ${secret}`, address: undefined }
  const exported = exportedVariables({ ...sampleCredentials, password: `pw ${secret}`, ssh })
  const secrets = Object.entries(exported).filter(([, value]) => value.includes(secret))
  expect(SECRET_VARIABLES).toEqual(expect.arrayContaining(secrets.map(([name]) => name)))
})

describe('the variables of a shell', () => {
  test.each<[string, Partial<Credentials>, Record<string, string>]>([
    ['the required ones', {}, {}],
    ['a password', { password: 'correct horse' }, { PROXMOX_PASSWORD: 'correct horse' }],
    ['a CA file', { caFile: '/etc/ssl/pve.pem' }, { PROXMOX_CA_FILE: '/etc/ssl/pve.pem' }],
    [
      'any certificate',
      { skipTlsVerify: true },
      { PROXMOX_SKIP_TLS_VERIFY: 'true', PROXMOX_VE_INSECURE: 'true' },
    ],
    [
      'SSH to the node',
      { ssh: { user: 'root', privateKey: 'KEY', address: '192.0.2.10' } },
      {
        PROXMOX_SSH_USER: 'root',
        PROXMOX_SSH_PRIVATE_KEY: 'KEY',
        PROXMOX_SSH_ADDRESS: '192.0.2.10',
        PROXMOX_VE_SSH_USERNAME: 'root',
        PROXMOX_VE_SSH_PRIVATE_KEY: 'KEY',
      },
    ],
    [
      'SSH with an agent instead of a key',
      { ssh: { user: 'root', privateKey: undefined, address: undefined } },
      { PROXMOX_SSH_USER: 'root', PROXMOX_VE_SSH_USERNAME: 'root' },
    ],
  ])('%s', (_, changes, added) => {
    expect(exportedVariables({ ...sampleCredentials, ...changes })).toEqual({ ...always, ...added })
  })

  test('the CA file replaces no roots of the shell, only those of a child process', () => {
    const withCa = { ...sampleCredentials, caFile: '/etc/ssl/pve.pem' }
    expect(exportedVariables(withCa)).not.toHaveProperty('SSL_CERT_FILE')
    expect(certificateVariables(withCa)).toEqual({ SSL_CERT_FILE: '/etc/ssl/pve.pem' })
    expect(certificateVariables(sampleCredentials)).toEqual({})
  })
})

describe('lines for eval', () => {
  test('their form', () => {
    expect(shellExports({ A: 'plain', B: "it's" })).toBe("export A='plain'\nexport B='it'\\''s'\n")
  })

  test.each([
    ['a single quote', "it's"],
    ['only single quotes', "'''"],
    ['a double quote', 'say "x"'],
    ['a newline', '-----BEGIN KEY-----\nabc\n-----END KEY-----'],
    ['a variable', '$HOME $PATH'],
    ['a command', '$(id) `id`'],
    ['a backslash', 'a\\b\\'],
    ['an exclamation mark', 'terraform@pve!token'],
    ['nothing', ''],
  ])('a shell reads back %s', async (_, value) => {
    const script = `${shellExports({ VALUE: value })}printf %s "$VALUE"`
    const { stdout } = await promisify(execFile)('sh', ['-c', script], { env: { HOME: '/nowhere' } })
    expect(stdout).toBe(value)
  })
})
