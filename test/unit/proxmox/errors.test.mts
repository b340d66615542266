import { describe, expect, test } from 'vitest'
import {
  apiError,
  connectionError,
  type DeniedPrivilege,
  parseDenied,
} from '../../../scripts/lib/proxmox/errors.mts'

const identity = 'terraform@pve!terraform-token'
const login = '(sops edit secrets/proxmox-creds.enc.yaml, or PROXMOX_USERNAME and PROXMOX_TOKEN)'
const check = '`zx scripts/check-permissions.mts` prints the pveum lines that close the gap'

describe('a denied privilege, as Proxmox words it', () => {
  test.each<[string, DeniedPrivilege | undefined]>([
    ['Permission check failed (/vms/100, VM.Audit)', { path: '/vms/100', privileges: ['VM.Audit'] }],
    [
      '403 Permission check failed (/vms/9000, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)\n',
      { path: '/vms/9000', privileges: ['VM.GuestAgent.Audit', 'VM.GuestAgent.Unrestricted'] },
    ],
    ['Permission check failed (/, Sys.Modify)', { path: '/', privileges: ['Sys.Modify'] }],
    [
      'Permission check failed (/sdn/zones/localnetwork/vmbr0/42, SDN.Use)',
      { path: '/sdn/zones/localnetwork/vmbr0/42', privileges: ['SDN.Use'] },
    ],
    ['Permission check failed', undefined],
    ['Permission check failed (user != root@pam)', undefined],
    ['permission denied - invalid PVE ticket', undefined],
    ['', undefined],
  ])('%j', (text, expected) => {
    expect(parseDenied(text)).toEqual(expected)
  })
})

describe('an answer that is an error', () => {
  const failed = {
    method: 'PUT',
    path: '/nodes/pve/qemu/100/config?digest=1',
    identity,
    status: 500,
    reason: '',
    body: '',
  }

  test.each<
    [string, Partial<typeof failed>, { message: string; hint: string | undefined; exitCode: number }]
  >([
    [
      'a token that is refused',
      { status: 401, reason: 'invalid token value!' },
      {
        message: '401 invalid token value!',
        hint: `Proxmox does not know ${identity} with this secret: correct user, realm, token id or secret ${login}, and check that neither user nor token is disabled or expired`,
        exitCode: 4,
      },
    ],
    [
      'a user that is refused',
      { status: 401, reason: 'authentication failure', identity: 'jo@pve' },
      {
        message: '401 authentication failure',
        hint: 'Proxmox does not know jo@pve with this password: check user, realm and password (proxmox_password), and that the user is neither disabled nor expired',
        exitCode: 4,
      },
    ],
    [
      'a privilege, in the status line alone',
      { status: 403, reason: 'Permission check failed (/vms/100, VM.Config.Disk)' },
      {
        message: '403 Permission check failed (/vms/100, VM.Config.Disk)',
        hint: `${identity} lacks VM.Config.Disk on /vms/100; ${check}`,
        exitCode: 4,
      },
    ],
    [
      'a privilege, in the body alone',
      {
        status: 403,
        reason: 'Forbidden',
        body: '{"message":"Permission check failed (/vms/100, VM.Audit)\\n"}',
      },
      {
        message: '403 Permission check failed (/vms/100, VM.Audit)',
        hint: `${identity} lacks VM.Audit on /vms/100; ${check}`,
        exitCode: 4,
      },
    ],
    [
      'a refusal without a privilege',
      { status: 403, reason: 'Permission check failed' },
      { message: '403 Permission check failed', hint: check, exitCode: 4 },
    ],
    [
      'a node of another name',
      {
        reason:
          "hostname lookup 'pve2' failed - failed to get address info for: pve2: Name or service not known",
      },
      {
        message:
          "500 hostname lookup 'pve2' failed - failed to get address info for: pve2: Name or service not known",
        hint: 'check proxmox_node: it is the name of a node as Proxmox shows it under Datacenter',
        exitCode: 3,
      },
    ],
    [
      'several lines: the first',
      { body: '{"data":null,"message":"checksum mismatch\\nat /usr/share/perl5\\n"}' },
      { message: '500 checksum mismatch', hint: undefined, exitCode: 1 },
    ],
    [
      'a body that is no JSON',
      { reason: 'proxy error', body: '<html>' },
      { message: '500 proxy error', hint: undefined, exitCode: 1 },
    ],
  ])('%s', (_, changes, expected) => {
    const error = apiError({ ...failed, ...changes })
    const { hint, exitCode, status, reason } = error
    expect({ message: error.message, hint, exitCode }).toEqual({
      ...expected,
      message: `PUT /nodes/pve/qemu/100/config: ${expected.message}`,
    })
    expect(`${status} ${reason}`).toBe(expected.message)
  })

  test('what is wrong with each parameter', () => {
    const body =
      '{"data":null,"errors":{"vmid":"too small\\n","name":"invalid format\\n"},"message":"Parameter verification failed.\\n"}'
    const error = apiError({ ...failed, status: 400, body })
    expect(error.parameterErrors).toEqual({ vmid: 'too small', name: 'invalid format' })
    expect(error.facts).toEqual({ vmid: 'too small', name: 'invalid format', identity })
  })
})

describe('no answer at all', () => {
  const url = 'https://pve.example.net:8006/api2/json'
  const tls =
    'set proxmox_ca_file to the CA that signed it (on a node: /etc/pve/pve-root-ca.pem), or proxmox_skip_tls_verify: true on a network you trust'
  const port = 'check the port in proxmox_url: the API is on 8006'
  const unknownCa = 'its certificate is signed by an unknown CA'
  const network = 'check the network between this machine and the node'

  test.each<[string, string, string, number]>([
    [
      'ECONNREFUSED',
      'connection refused',
      'check host and port in proxmox_url (8006), and that pveproxy runs',
      1,
    ],
    ['ENOTFOUND', 'no such host', 'check the host name in proxmox_url', 1],
    ['EAI_AGAIN', 'the name server did not answer', 'check the network of this machine', 1],
    ['ETIMEDOUT', 'no answer in time', 'check host, port and the firewalls between', 1],
    ['EHOSTUNREACH', 'no route to the host', network, 1],
    ['ENETUNREACH', 'no route to the network', network, 1],
    ['ECONNRESET', 'the connection was reset', 'try again; look at pveproxy on the node if it stays', 1],
    ['EPROTO', 'it does not speak TLS', port, 1],
    ['ERR_SSL_WRONG_VERSION_NUMBER', 'it does not speak TLS', port, 1],
    ['SELF_SIGNED_CERT_IN_CHAIN', unknownCa, tls, 4],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is self-signed', tls, 4],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', unknownCa, tls, 4],
    ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', unknownCa, tls, 4],
    ['CERT_SIGNATURE_FAILURE', 'its certificate is signed by another CA of the same name', tls, 4],
    [
      'CERT_HAS_EXPIRED',
      'its certificate has expired',
      'renew it on the node: `pvecm updatecerts --force`',
      4,
    ],
    [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'its certificate is for another name',
      'use a name in proxmox_url that the certificate holds',
      4,
    ],
  ])('%s', (code, why, hint, exitCode) => {
    const error = connectionError(
      { url },
      new Error('outer', { cause: Object.assign(new Error('inner'), { code }) }),
    )
    expect([error.message, error.hint, error.exitCode]).toEqual([
      `cannot reach Proxmox VE at ${url}: ${why}`,
      hint,
      exitCode,
    ])
  })

  test('says where the URL is set', () => {
    const error = connectionError({ url, urlFrom: 'PROXMOX_URL in the environment' }, new Error('odd'))
    expect(error.facts).toEqual({ 'set by': 'PROXMOX_URL in the environment' })
  })

  test('for a reason nobody listed: its own words', () => {
    const error = connectionError({ url }, new Error('something odd'))
    expect([error.message, error.hint, error.exitCode]).toEqual([
      `cannot reach Proxmox VE at ${url}: something odd`,
      undefined,
      1,
    ])
  })
})
