import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, exitCodes, messageOf, ProxmintError } from '../run/errors.mts'

export interface RpcOptions {
  /** Tried in order. */
  urls: string[]
  /** Every server must be of this chain. */
  chainId: number
  /** For one answer. Default 15 s. */
  timeoutMs?: number
  /** How often all servers are tried before giving up. Default 3. */
  rounds?: number
  /** Between two rounds. Default 1 s. */
  pauseMs?: number
}

/** What a server says instead of a result. */
export interface RpcFault {
  code: number
  message: string
  /** What a revert returns, hex. */
  data?: unknown
}

export type RpcAnswer<T> = { result: T } | { fault: RpcFault }

export interface Rpc {
  chainId: number
  /** The result. @throws ProxmintError for the server's error, or where no server answers. */
  call<T>(method: string, params?: unknown[]): Promise<T>
  /** The result or a server's error. @throws ProxmintError where no server says anything. */
  ask<T>(method: string, params?: unknown[]): Promise<RpcAnswer<T>>
}

/** A client of JSON-RPC over HTTP. It sends nothing by itself and keeps no connection to end. */
export function createRpc({
  urls,
  chainId,
  timeoutMs = 15_000,
  rounds = 3,
  pauseMs = 1000,
}: RpcOptions): Rpc {
  if (urls.length === 0) throw noServers()
  const proven = new Set<string>()
  let preferred = 0

  const askServer = async <T,>(url: string, method: string, params: unknown[]): Promise<RpcAnswer<T>> => {
    if (!proven.has(url)) {
      requireChain(url, chainId, await post<string>(url, 'eth_chainId', [], timeoutMs))
      proven.add(url)
    }
    const answer = await post<T>(url, method, params, timeoutMs)
    if ('fault' in answer && isNoAnswer(answer.fault)) throw new NoAnswer(answer.fault)
    return answer
  }

  const askAny = async <T,>(method: string, params: unknown[], failures: Failures) => {
    for (let offset = 0; offset < urls.length; offset += 1) {
      const index = (preferred + offset) % urls.length
      try {
        const answer = await askServer<T>(urls[index]!, method, params)
        preferred = index
        return answer
      } catch (error) {
        if (error instanceof ProxmintError) throw error
        failures.set(serverName(urls[index]!), error)
      }
    }
    return undefined
  }

  /** Where no server answers: why each does not. */
  const askAll = async <T,>(method: string, params: unknown[]): Promise<RpcAnswer<T> | Failures> => {
    const failures: Failures = new Map()
    for (let round = 1; round <= rounds; round += 1) {
      const answer = await askAny<T>(method, params, failures)
      if (answer !== undefined) return answer
      if (round < rounds) await sleep(pauseMs)
    }
    return failures
  }

  return {
    chainId,
    async ask<T>(method: string, params: unknown[] = []) {
      const answer = await askAll<T>(method, params)
      if (!(answer instanceof Map)) return answer
      const told = [...answer.values()].find(failure => failure instanceof NoAnswer)
      if (told !== undefined) return { fault: told.fault }
      throw noAnswer(method, answer)
    },
    async call<T>(method: string, params: unknown[] = []) {
      const answer = await askAll<T>(method, params)
      if (answer instanceof Map) throw noAnswer(method, answer)
      if ('result' in answer) return answer.result
      throw refused(method, answer.fault)
    },
  }
}

/** By server. */
type Failures = Map<string, unknown>

class NoAnswer extends Error {
  fault: RpcFault

  constructor(fault: RpcFault) {
    super(`${fault.message} (${fault.code})`)
    this.fault = fault
  }
}

/** Limits of a client's requests, and faults of the server's own; another server may answer. */
function isNoAnswer(fault: RpcFault): boolean {
  const codes = [-32005, -32016, -32029, -32097, -32603, 429]
  const isLimit = codes.includes(fault.code) || /rate.?limit|too many requests/i.test(fault.message)
  return isLimit && !isRevert(fault)
}

let lastId = 0

async function post<T>(
  url: string,
  method: string,
  params: unknown[],
  timeoutMs: number,
): Promise<RpcAnswer<T>> {
  lastId += 1
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: lastId, method, params }),
    signal: AbortSignal.timeout(timeoutMs),
  })
  const text = await response.text()
  const answer = parseAnswer<T>(text)
  // A server that is overloaded says so with a status, and some with a JSON-RPC error besides.
  if (answer === undefined || response.status === 429 || response.status >= 500) {
    throw new Error(`HTTP ${response.status}${answer === undefined ? ' without a JSON-RPC answer' : ''}`)
  }
  return answer
}

function parseAnswer<T>(text: string): RpcAnswer<T> | undefined {
  try {
    const body = JSON.parse(text) as { result?: T; error?: RpcFault } | null
    if (body?.error) return { fault: body.error }
    return body !== null && 'result' in body ? { result: body.result! } : undefined
  } catch {
    return undefined
  }
}

function requireChain(url: string, chainId: number, answer: RpcAnswer<string>): void {
  if ('fault' in answer) throw new Error(answer.fault.message)
  const found = Number(answer.result)
  if (found === chainId) return
  throw new ProxmintError(`the RPC server ${serverName(url)} is of another chain: ${found}, not ${chainId}`, {
    hint: 'correct chain_id or rpc_url in config/web3-defaults.yaml, or PROXMINT_RPC_URL; nothing was sent',
    exitCode: exitCodes.invalid,
  })
}

/** Path and query are left out: they can hold an API key. */
function serverName(url: string): string {
  return new URL(url).host
}

/** `ECONNREFUSED` where the system says so; fetch keeps it in the cause. */
function reasonOf(error: unknown): string {
  return codeOf(error instanceof DOMException ? undefined : error) ?? messageOf(error)
}

function noServers(): ProxmintError {
  return new ProxmintError('no RPC server of the chain is configured', {
    hint: 'set rpc_url in config/web3-defaults.yaml, or PROXMINT_RPC_URL',
    exitCode: exitCodes.invalid,
  })
}

function noAnswer(method: string, failures: Failures): ProxmintError {
  return new ProxmintError(`no RPC server of the chain answers (${method})`, {
    facts: Object.fromEntries([...failures].map(([server, failure]) => [server, reasonOf(failure)])),
    hint: 'run the same command again when one does: what was signed is kept and goes on from there',
  })
}

/** Whether the contract said no; any other fault is the server's, and says nothing of what was asked. */
export function isRevert({ code, message, data }: RpcFault): boolean {
  // 3 by the standard; some servers say it in words alone, and some only before the data.
  return code === 3 || /revert/i.test(message) || /^(Reverted\b|0x[0-9a-f]{8})/i.test(String(data))
}

/** A server's error, where it tells nothing else. */
export function refused(method: string, { code, message }: RpcFault): ProxmintError {
  return new ProxmintError(`the RPC server refuses ${method}: ${message}`, { facts: { code } })
}
