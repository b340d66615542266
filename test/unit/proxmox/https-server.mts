import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { generate } from 'selfsigned'
import { onTestFinished } from 'vitest'

export interface Certificate {
  key: string
  cert: string
}

const elliptic = { keyType: 'ec', curve: 'P-256', algorithm: 'sha256' } as const

/** A certificate for 127.0.0.1, signed by `authority` or by itself. */
export async function serverCertificate(
  options: { authority?: Certificate; name?: string; expired?: boolean } = {},
): Promise<Certificate> {
  const { authority, name = '127.0.0.1', expired = false } = options
  const day = 86_400_000
  const altName = name === '127.0.0.1' ? { type: 7 as const, ip: name } : { type: 2 as const, value: name }
  const { private: key, cert } = await generate([{ name: 'commonName', value: name }], {
    ...elliptic,
    ...(authority !== undefined && { ca: authority }),
    notBeforeDate: new Date(Date.now() - 2 * day),
    notAfterDate: new Date(Date.now() + (expired ? -day : day)),
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: [altName] },
    ],
  })
  return { key, cert }
}

export async function certificateAuthority(name = 'test CA'): Promise<Certificate> {
  const { private: key, cert } = await generate([{ name: 'commonName', value: name }], {
    ...elliptic,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, critical: true },
    ],
  })
  return { key, cert }
}

export interface ReceivedRequest {
  method: string
  path: string
  headers: IncomingMessage['headers']
  body: string
}

export interface Reply {
  status?: number
  /** The reason phrase of the status line. */
  reason?: string
  body: string
}

/** A server on loopback until the test ends; `reply` answers, `received` has what came. */
export async function httpsServer(
  certificate: Certificate,
  reply: (request: ReceivedRequest) => Reply,
): Promise<{ url: string; received: ReceivedRequest[] }> {
  const received: ReceivedRequest[] = []
  const server = createServer(certificate, async (request, response) => {
    const { method = '', url: path = '', headers } = request
    const one = { method, path, headers, body: await text(request) }
    received.push(one)
    const { status = 200, reason, body } = reply(one)
    if (reason === undefined) response.writeHead(status)
    else response.writeHead(status, reason)
    response.end(body)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/api2/json`, received }
}
