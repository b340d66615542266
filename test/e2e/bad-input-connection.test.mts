import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { ensureCertificate, type ServerCertificate } from '../../lab/pve/nodes/certificates.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { leftovers } from './leftovers.mts'
import { zxOutside } from './outside.mts'
import { createWorkspace, rootClient, startLab, type Workspace } from './workspace.mts'

let lab: Lab
let workspace: Workspace
/** Of servers that are not Proxmox. */
let certificate: ServerCertificate

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
  workspace = await createWorkspace(lab)
  certificate = await ensureCertificate(join(workspace.folder, 'other-server'), 'other')
})
afterAll(async () => {
  expect(await leftovers(rootClient(lab), workspace)).toEqual([])
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

/** The port of a server that ends with its test. */
async function listening(server: Server, host = '127.0.0.1'): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, host, resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

async function notProxmox(answer: RequestListener, host = '127.0.0.1'): Promise<string> {
  const port = await listening(createHttpsServer(certificate, answer), host)
  return `https://${host}:${port}/api2/json`
}

const base = (env: NodeJS.ProcessEnv): Promise<ExecResult> =>
  zxOutside(workspace, 'base', ['import', 'debian-12'], { env })

const build = (env: NodeJS.ProcessEnv): Promise<ExecResult> =>
  zxOutside(workspace, 'build', ['debian'], { env })

const urlSetBy = '  set by: PROXMOX_URL in the environment'

const told = (code: number, error: string, ...more: string[]): ExecResult => ({
  code,
  stdout: '',
  stderr: `${[`error: ${error}`, ...more].join('\n')}\n`,
})

describe.each([
  ['build', build],
  ['base import', base],
])('%s', (_name, command) => {
  test('nothing listens there', async () => {
    const url = 'https://127.0.0.1:9/api2/json'
    expect(await command({ PROXMOX_URL: url })).toEqual(
      told(
        exitCodes.failed,
        `cannot reach Proxmox VE at ${url}: connection refused`,
        urlSetBy,
        'hint: check host and port in proxmox_url (8006), and that pveproxy runs',
      ),
    )
  })

  test('the CA that signed the certificate is not given', async () => {
    expect(await command({ PROXMOX_CA_FILE: '' })).toEqual(
      told(
        exitCodes.denied,
        `cannot reach Proxmox VE at ${lab.url}: its certificate is signed by an unknown CA`,
        urlSetBy,
        'hint: set proxmox_ca_file to the CA that signed it (on a node: /etc/pve/pve-root-ca.pem), or proxmox_skip_tls_verify: true on a network you trust',
      ),
    )
  })
})

test('... and with proxmox_skip_tls_verify it is not needed', async () => {
  const env = { PROXMOX_CA_FILE: '', PROXMOX_SKIP_TLS_VERIFY: 'true' }
  expect(await zxOutside(workspace, 'credentials', ['check'], { env })).toMatchObject({ code: 0, stderr: '' })
})

test('the CA file is not there', async () => {
  expect(await base({ PROXMOX_CA_FILE: 'secrets/ca.pem' })).toEqual(
    told(
      exitCodes.invalid,
      'cannot read the CA file secrets/ca.pem',
      'hint: correct proxmox_ca_file; on a node the CA is /etc/pve/pve-root-ca.pem',
    ),
  )
})

test('a host name that does not exist', async () => {
  // No part of a name may be longer than 63 letters: every resolver says no without asking another.
  const url = `https://${'pve'.repeat(22)}.example.net:8006/api2/json`
  expect(await base({ PROXMOX_URL: url })).toEqual(
    told(
      exitCodes.failed,
      `cannot reach Proxmox VE at ${url}: no such host`,
      urlSetBy,
      'hint: check the host name in proxmox_url',
    ),
  )
})

test('a server that speaks plain HTTP', async () => {
  const port = await listening(createHttpServer((_request, response) => void response.end('hello')))
  const url = `https://127.0.0.1:${port}/api2/json`
  expect(await base({ PROXMOX_URL: url })).toEqual(
    told(
      exitCodes.failed,
      `cannot reach Proxmox VE at ${url}: it does not speak TLS`,
      urlSetBy,
      'hint: check the port in proxmox_url: the API is on 8006',
    ),
  )
})

test('a server that hangs up', async () => {
  const port = await listening(createTcpServer(socket => void socket.destroy()))
  const url = `https://127.0.0.1:${port}/api2/json`
  expect(await base({ PROXMOX_URL: url })).toEqual(
    told(
      exitCodes.failed,
      `cannot reach Proxmox VE at ${url}: the connection was reset`,
      urlSetBy,
      'hint: try again; look at pveproxy on the node if it stays',
    ),
  )
})

describe('a TLS server that is no Proxmox VE', () => {
  const page = '<!doctype html>\n<title>It works</title>'

  test.each([
    [200, 'OK'],
    [404, 'Not Found'],
  ])('a page with status %i', async (status, reason) => {
    const url = await notProxmox((_request, response) => void response.writeHead(status).end(page))
    expect(await base({ PROXMOX_URL: url, PROXMOX_CA_FILE: certificate.caFile })).toEqual(
      told(
        exitCodes.invalid,
        `${url} did not answer as a Proxmox VE API does`,
        urlSetBy,
        `  answer: ${status} ${reason}: <!doctype html> <title>It works</title>`,
        'hint: check proxmox_url: it is the API of a node, https://HOST:8006/api2/json',
      ),
    )
  })

  test('a page of a proxy that has no answer of the API', async () => {
    const url = await notProxmox((_request, response) => void response.writeHead(502).end(page))
    const answer = await base({ PROXMOX_URL: url, PROXMOX_CA_FILE: certificate.caFile })
    expect(answer).toMatchObject({ code: exitCodes.failed, stdout: '' })
    expect(answer.stderr).toMatch(
      /^error: GET \/version: 502 Bad Gateway\n {2}identity: \S+\nhint: a node is busy, restarting or out of reach: /,
    )
  })

  test('JSON of another API', async () => {
    const url = await notProxmox((_request, response) => void response.end('{"status":"ok"}'))
    expect(await base({ PROXMOX_URL: url, PROXMOX_CA_FILE: certificate.caFile })).toEqual(
      told(
        exitCodes.invalid,
        `${url} did not answer as a Proxmox VE API does`,
        urlSetBy,
        '  answer: 200 OK: {"status":"ok"}',
        'hint: check proxmox_url: it is the API of a node, https://HOST:8006/api2/json',
      ),
    )
  })

  test('a certificate for another name', async () => {
    const url = await notProxmox((_request, response) => void response.end(page), '127.0.0.2')
    expect(await base({ PROXMOX_URL: url, PROXMOX_CA_FILE: certificate.caFile })).toEqual(
      told(
        exitCodes.denied,
        `cannot reach Proxmox VE at ${url}: its certificate is for another name`,
        urlSetBy,
        'hint: use a name in proxmox_url that the certificate holds',
      ),
    )
  })
})
