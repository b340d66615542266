import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createRpc } from '../../../scripts/lib/chain/rpc.mts'
import { failureOf } from '../failure.mts'

type Reply = { status?: number; body: string }

/** A server that answers each method as told; it is of chain 5. Also the methods it was asked. */
async function server(answers: Record<string, Reply | 'never'>): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = []
  const http = createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    const { method } = JSON.parse(text) as { method: string }
    asked.push(method)
    const answer = answers[method] ?? { body: JSON.stringify({ jsonrpc: '2.0', id: 1, result: '0x5' }) }
    if (answer === 'never') return
    response.writeHead(answer.status ?? 200).end(answer.body)
  }).listen(0, '127.0.0.1')
  await once(http, 'listening')
  onTestFinished(() => {
    http.closeAllConnections()
    http.close()
  })
  return { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}/KEY`, asked }
}

const open = (urls: string[], rounds = 1) =>
  createRpc({ urls, chainId: 5, rounds, pauseMs: 1, timeoutMs: 1000 })

test('servers are tried in order, and the one that answered is asked first from then on', async () => {
  const [broken, good] = [await server({ eth_chainId: { status: 503, body: 'busy' } }), await server({})]
  const rpc = open([broken.url, good.url])
  expect(await rpc.call('eth_blockNumber')).toBe('0x5')
  expect(await rpc.call('eth_blockNumber')).toBe('0x5')
  expect(broken.asked).toEqual(['eth_chainId'])
  expect(good.asked).toEqual(['eth_chainId', 'eth_blockNumber', 'eth_blockNumber'])
})

test.each<[string, Reply | 'never', RegExp]>([
  ['HTML', { body: '<html>' }, /^HTTP 200 without a JSON-RPC answer$/],
  [
    'too many requests',
    { status: 429, body: '{"error":{"code":-32005,"message":"limit"}}' },
    /^HTTP 429: its limit/,
  ],
  ['nothing', 'never', /timeout/i],
  ['an answer of neither kind', { body: '{"jsonrpc":"2.0"}' }, /without a JSON-RPC answer/],
  ['null', { body: 'null' }, /without a JSON-RPC answer/],
  [
    'a refusal as text',
    { status: 401, body: '{"error":"Unauthorized"}' },
    /^HTTP 401: .*may lack an API key$/,
  ],
  ['a refusal as HTML', { status: 403, body: '<html>' }, /^HTTP 403: .*may lack an API key$/],
])('%s is no answer, and the next round asks again', async (_, answer, reason) => {
  const bad = await server({ eth_x: answer })
  const failure = await failureOf(() => open([bad.url], 2).call('eth_x'))
  expect(failure.message).toBe('no RPC server of the chain answers (eth_x)')
  expect(Object.values(failure.facts)).toEqual([expect.stringMatching(reason)])
  expect(JSON.stringify(failure)).not.toContain('KEY')
  expect(bad.asked.filter(method => method === 'eth_x')).toHaveLength(2)
})

test('an error of the server is an answer: no other server is asked', async () => {
  const fault = { code: -32000, message: 'execution reverted', data: '0x1234' }
  const [first, second] = [
    await server({ eth_x: { body: JSON.stringify({ error: fault }) } }),
    await server({}),
  ]
  const rpc = open([first.url, second.url])
  expect(await rpc.ask('eth_x')).toEqual({ fault })
  expect(await failureOf(() => rpc.call('eth_x'))).toMatchObject({
    message: 'the RPC server refuses eth_x: execution reverted',
    facts: { code: -32000 },
  })
  expect(second.asked).toEqual([])
})

test.each([
  [-32005, 'daily request count exceeded, request rate limited'],
  [-32603, 'Internal error'],
  [-32016, 'over rate limit'],
  [-32000, 'Too Many Requests'],
])('a server that tells %i (%s) has no answer: the next one is asked', async (code, message) => {
  const fault = { code, message }
  const limited = await server({ eth_x: { body: JSON.stringify({ error: fault }) } })
  const good = await server({})
  expect(await open([limited.url, good.url]).call('eth_x')).toBe('0x5')
  expect(await failureOf(() => open([limited.url]).call('eth_x'))).toMatchObject({
    message: 'no RPC server of the chain answers (eth_x)',
    facts: { [new URL(limited.url).host]: `${message} (${code})` },
  })
  // For whoever can tell what it means.
  expect(await open([limited.url]).ask('eth_x')).toEqual({ fault })
})

test('an error without a message is named as that', async () => {
  const { url } = await server({ eth_x: { body: '{"error":{"code":-32000}}' } })
  expect(await failureOf(() => open([url]).call('eth_x'))).toMatchObject({
    message: 'the RPC server refuses eth_x: it gives no reason',
  })
})

test('a server proves its chain again after it failed', async () => {
  const answers: Record<string, Reply> = {}
  const one = await server(answers)
  const rpc = open([one.url])
  expect(await rpc.call('eth_x')).toBe('0x5')
  answers['eth_y'] = { status: 502, body: 'restarting' }
  await failureOf(() => rpc.call('eth_y'))
  answers['eth_chainId'] = { body: '{"result":"0x1"}' }
  expect(await failureOf(() => rpc.call('eth_x'))).toMatchObject({
    exitCode: 3,
    message: expect.stringContaining('another chain: 1, not 5'),
  })
})

test('a revert is an answer, whatever its code', async () => {
  const fault = { code: -32603, message: 'Internal error', data: '0x12345678' }
  const first = await server({ eth_x: { body: JSON.stringify({ error: fault }) } })
  const second = await server({})
  expect(await open([first.url, second.url]).ask('eth_x')).toEqual({ fault })
})

test('a result of null is a result', async () => {
  const { url } = await server({ eth_x: { body: '{"result":null}' } })
  expect(await open([url]).call('eth_x')).toBeNull()
})

test('a server of another chain is not passed over', async () => {
  const wrong = await server({ eth_chainId: { body: '{"result":"0x1"}' } })
  const good = await server({})
  const failure = await failureOf(() => open([wrong.url, good.url]).call('eth_x'))
  expect(failure).toMatchObject({ exitCode: 3, message: expect.stringContaining('another chain: 1, not 5') })
  expect(good.asked).toEqual([])
})

test('no server at all is a fault of the config', async () => {
  expect(await failureOf(() => createRpc({ urls: [], chainId: 5 }))).toMatchObject({ exitCode: 3 })
})
