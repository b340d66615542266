import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { LabError } from '../core/lab-error.mts'
import { type LabAccount, labAccounts } from './accounts.mts'
import { anvilPath } from './anvil.mts'

export interface ChainOptions {
  /** Between two blocks. Without it every transaction is a block at once. */
  blockTimeSeconds?: number | undefined
  /** Default 31337. */
  chainId?: number
  /** Default 0, a free one. */
  port?: number
  /** Further options of anvil. */
  args?: string[]
}

export interface Chain {
  /** `http://127.0.0.1:PORT`. */
  rpcUrl: string
  chainId: number
  /** Ten funded throw-away accounts. */
  accounts: LabAccount[]
  close(): Promise<void>
}

const START_TIMEOUT_MS = 60_000
const LAST_LINES = 8

/**
 * Runs anvil on loopback, and so inside the lab's namespace where the caller is. It ends with this process, however
 * that ends.
 */
export async function startChain(options: ChainOptions = {}): Promise<Chain> {
  const { chainId = 31337 } = options
  const child = spawnWithOwner(anvilPath(), anvilArguments({ ...options, chainId }))
  const ended = once(child, 'exit')
  const port = await listeningPort(child)
  return {
    rpcUrl: `http://127.0.0.1:${port}`,
    chainId,
    accounts: labAccounts(10),
    async close() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

function anvilArguments({ blockTimeSeconds, chainId, port = 0, args = [] }: ChainOptions): string[] {
  return [
    ...['--host', '127.0.0.1', '--port', String(port), '--chain-id', String(chainId), '--color', 'never'],
    ...(blockTimeSeconds === undefined ? [] : ['--block-time', String(blockTimeSeconds)]),
    ...args,
  ]
}

/** The kernel kills it when this process dies: nothing is left behind by `kill -9`. */
function spawnWithOwner(file: string, args: string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Reads what anvil says until it listens; its later lines are read and dropped, so that its pipe never fills. */
function listeningPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    const said: string[] = []
    const fail = (reason: string): void => {
      clearTimeout(timer)
      child.kill('SIGKILL')
      reject(new LabError(`the lab's chain did not start: ${reason}`, said.join('\n') || 'it said nothing'))
    }
    const timer = setTimeout(
      () => fail(`it does not listen after ${START_TIMEOUT_MS / 1000} s`),
      START_TIMEOUT_MS,
    )
    child.once('error', error => fail(error.message))
    child.once('exit', (code, signal) => fail(`anvil ended with ${signal ?? code}`))
    child.stderr!.on('data', chunk => said.push(String(chunk).trim()))
    createInterface({ input: child.stdout! }).on('line', line => {
      const port = /^Listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1]
      if (port === undefined) said.splice(0, said.length, ...said.slice(1 - LAST_LINES), line)
      else {
        clearTimeout(timer)
        resolve(Number(port))
      }
    })
  })
}
