/** A proxy of the environment, in a process of its own: Node.js reads it once. */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { directVariables } from '../../../scripts/lib/run/proxy.mts'
import { certificateAuthority, httpsServer, serverCertificate } from '../proxmox/https-server.mts'
import { temporaryFolder } from '../temporary.mts'

const library = resolve(import.meta.dirname, '../../../scripts/lib')

async function listening(server: Server): Promise<string> {
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A proxy that notes the hosts it is asked for, and answers requests in the clear itself. */
async function startProxy(): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(new URL(request.url!).host)
    response.end('by proxy')
  })
  server.on('connect', (request, socket) => {
    asked.push(request.url!)
    const [host, port] = request.url!.split(':')
    const onward = connect(Number(port), host!.endsWith('.test') ? '127.0.0.1' : host, () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    onward.on('error', () => socket.destroy())
  })
  return { url: `http://${await listening(server)}`, asked }
}

/** Runs a module with these variables. @returns what it prints. */
async function run(lines: string[], env: Record<string, string>): Promise<string> {
  const file = join(await temporaryFolder(), 'main.mts')
  await writeFile(file, lines.join('\n'))
  const { stdout } = await promisify(execFile)(process.execPath, [file], {
    env: { PATH: process.env['PATH'], ...env },
  })
  return stdout
}

const fetching = (url: string): string[] => [
  `import { fetchThroughProxy } from '${library}/run/proxy.mts'`,
  `const response = await fetchThroughProxy('${url}', { signal: AbortSignal.timeout(5000) })`,
  'process.stdout.write(await response.text())',
]

test('lists of checksums and RPC go through the proxy, but for the hosts of NO_PROXY', async () => {
  const proxy = await startProxy()
  const publisher = await listening(createServer((_, response) => response.end('from the publisher')))
  const port = publisher.split(':')[1]
  const env = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url }
  // Only the proxy knows this name.
  const through = await run(fetching(`http://publisher.test:${port}/SHA512SUMS`), env)
  expect(['by proxy', 'from the publisher']).toContain(through)
  expect(proxy.asked).toEqual([`publisher.test:${port}`])
  const direct = { ...env, NO_PROXY: '127.0.0.1' }
  expect(await run(fetching(`http://${publisher}/`), direct)).toBe('from the publisher')
  expect(proxy.asked).toHaveLength(1)
})

test('Proxmox is asked directly, also after a request through the proxy', async () => {
  const proxy = await startProxy()
  const authority = await certificateAuthority()
  const server = await httpsServer(await serverCertificate({ authority }), () => ({
    body: '{"data":{"a":1}}',
  }))
  const caFile = join(await temporaryFolder(), 'ca.pem')
  await writeFile(caFile, authority.cert)
  const output = await run(
    [
      ...fetching('http://publisher.test/'),
      `import { tokenClient } from '${library}/proxmox/client.mts'`,
      `const token = { user: 'a@pve', tokenId: 'tok', tokenSecret: 's' }`,
      `const client = tokenClient({ url: '${server.url}', caFile: '${caFile}' }, token)`,
      `process.stdout.write(JSON.stringify(await client.request('GET', '/version')))`,
      `process.stdout.write(JSON.stringify(await client.request('POST', '/x')))`,
    ],
    { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, NO_PROXY: 'nothing.test' },
  ).catch((error: { stderr: string }) => error.stderr)
  expect(output).toContain('{"a":1}{"a":1}')
  expect(proxy.asked.filter(host => host.startsWith('127.0.0.1'))).toEqual([])
})

test.each([
  ['no proxy', {}, {}],
  ['a proxy', { HTTPS_PROXY: 'http://p' }, { NO_PROXY: 'pve', no_proxy: 'pve' }],
  [
    'a proxy, and hosts without it',
    { https_proxy: 'http://p', no_proxy: 'a,b' },
    { NO_PROXY: 'a,b,pve', no_proxy: 'a,b,pve' },
  ],
])('what OpenTofu gets with %s', (_, env, expected) => {
  expect(directVariables('pve', env)).toEqual(expected)
})
