import { setTimeout as sleep } from 'node:timers/promises'
import { codeOf, exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { fetchThroughProxy } from '../run/proxy.mts'

export interface RpcOptions {
  /** URLs of servers, tried in order. */
  urls: string[]
  /** Chain id that every server must have. */
  chainId: number
  /** Longest wait for an answer. Default: 15 s. */
  timeoutMs?: number
  /** Rounds over all servers. Default: 3. */
  rounds?: number
  /** Pause between two rounds. Default: 1 s. */
  pauseMs?: number
}

/** Error of a server, in place of a result. */
export interface RpcFault {
  code: number
  message: string
  /** Data of a revert, hex. */
  data?: unknown
}

export type RpcAnswer<T> = { result: T } | { fault: RpcFault }

export interface Rpc {
  chainId: number
  /** Asks for a result. @throws ProxmintError if the server returns an error, or no server answers. */
  call<T>(method: string, params?: unknown[]): Promise<T>
  /** Asks for a result or the server's error. @throws ProxmintError if no server answers. */
  ask<T>(method: string, params?: unknown[]): Promise<RpcAnswer<T>>
}

/** A server proves its chain again after this time, and after each failure: it may have been restarted or replaced. */
const PROOF_MS = 60_000

/** Makes a client of JSON-RPC over HTTP. It need not be closed. @throws ProxmintError (invalid) if `urls` is empty. */
export function createRpc({
  urls,
  chainId,
  timeoutMs = 15_000,
  rounds = 3,
  pauseMs = 1000,
}: RpcOptions): Rpc {
  if (urls.length === 0) throw noServers()
  /** When each server proved its chain, in ms: behind one URL there may be another server later. */
  const proven = new Map<string, number>()
  let preferred = 0

  const askServer = async <T,>(url: string, method: string, params: unknown[]): Promise<RpcAnswer<T>> => {
    if (Date.now() - (proven.get(url) ?? 0) > PROOF_MS) {
      requireChain(url, chainId, await post<string>(url, 'eth_chainId', [], timeoutMs))
      proven.set(url, Date.now())
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
        proven.delete(urls[index]!)
        if (error instanceof ProxmintError) throw error
        failures.set(serverName(urls[index]!), error)
      }
    }
    return undefined
  }

  /** Asks all servers, in rounds. @returns the failure of each server if none answers. */
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

/** Errors by host name of the server. */
type Failures = Map<string, unknown>

class NoAnswer extends Error {
  fault: RpcFault

  constructor(fault: RpcFault) {
    super(`${fault.message} (${fault.code})`)
    this.fault = fault
  }
}

const NO_ANSWER_CODES = [-32005, -32016, -32029, -32097, -32603, 429]

/** Checks for a rate limit or an internal error of the server: another server may answer. */
function isNoAnswer(fault: RpcFault): boolean {
  const isLimit = NO_ANSWER_CODES.includes(fault.code) || /rate.?limit|too many requests/i.test(fault.message)
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
  const response = await fetchThroughProxy(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: lastId, method, params }),
    signal: AbortSignal.timeout(timeoutMs),
  })
  const text = await response.text()
  const answer = parseAnswer<T>(text)
  // An overloaded server answers with such a status, and sometimes with a JSON-RPC error too.
  if (answer === undefined || response.status === 429 || response.status >= 500) {
    throw new Error(`HTTP ${response.status}${meaningOf(response.status, answer)}`)
  }
  return answer
}

/** Meaning of a status, to follow it in a sentence. */
function meaningOf(status: number, answer: object | undefined): string {
  if (status === 401 || status === 403) return ': it refuses the request; the URL may lack an API key'
  if (status === 429) return ': its limit of requests is reached'
  return answer === undefined ? ' without a JSON-RPC answer' : ''
}

function parseAnswer<T>(text: string): RpcAnswer<T> | undefined {
  try {
    const body = JSON.parse(text) as { result?: T; error?: Partial<RpcFault> | string } | null
    // A proxy in front of a server writes `{"error": "text"}`, which is no JSON-RPC.
    if (typeof body?.error === 'object' && body.error !== null) return faultOf(body.error)
    return body !== null && 'result' in body ? { result: body.result! } : undefined
  } catch {
    return undefined
  }
}

function faultOf({ code = 0, message, data }: Partial<RpcFault>): { fault: RpcFault } {
  return { fault: { code, message: message || 'it gives no reason', ...(data !== undefined && { data }) } }
}

function requireChain(url: string, chainId: number, answer: RpcAnswer<string>): void {
  if ('fault' in answer) throw new Error(answer.fault.message)
  const found = Number(answer.result)
  if (found === chainId) return
  throw new ProxmintError(
    `the RPC server ${serverName(url)} belongs to another chain: ${found}, not ${chainId}`,
    {
      hint: 'correct chain_id or rpc_url in config/web3-defaults.yaml, or PROXMINT_RPC_URL; nothing was sent',
      exitCode: exitCodes.invalid,
    },
  )
}

/** Host of the URL. Path and query are left out, because they may hold an API key. */
function serverName(url: string): string {
  return new URL(url).host
}

/** Code such as `ECONNREFUSED`, which fetch keeps in the cause; otherwise the message. */
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
    hint: 'run the same command again later: it continues with the transactions that are signed',
  })
}

/** Checks whether the contract reverted. Every other fault is the server's own. */
export function isRevert({ code, message, data }: RpcFault): boolean {
  // The standard code is 3. Some servers only have it in the message, and some only in front of the data.
  return code === 3 || /revert/i.test(message) || /^(Reverted\b|0x[0-9a-f]{8})/i.test(String(data))
}

/** Error for a fault of a server. */
export function refused(method: string, { code, message }: RpcFault): ProxmintError {
  return new ProxmintError(`the RPC server refuses ${method}: ${message}`, {
    facts: { code },
    hint: 'nothing was sent by this request; try again later, or set another rpc_url in config/web3-defaults.yaml',
  })
}
