/** A chain of Ethereum for tests: Foundry's anvil on loopback. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { LabError } from '../core/lab-error.mts'
import { type LabAccount, labAccounts } from './accounts.mts'

export interface ChainOptions {
  /** Seconds between two blocks. Default: each transaction makes a block at once. */
  blockTimeSeconds?: number | undefined
  /** Default 31337. */
  chainId?: number
  /** Default 0: a free port. */
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
 * Runs anvil on 127.0.0.1 of the caller's network namespace. The kernel ends it with this process.
 * @throws {LabError} if anvil is not installed or does not listen within a minute.
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

/** Names of platforms as npm's packages of Foundry have them. */
const PLATFORMS: Record<string, string> = {
  'linux-x64': 'linux-amd64',
  'linux-arm64': 'linux-arm64',
}

/** Finds the program inside the npm package of this platform. @throws {LabError} if npm installed none. */
function anvilPath(): string {
  const platform = PLATFORMS[`${process.platform}-${process.arch}`]
  const require = createRequire(import.meta.url)
  try {
    return join(dirname(require.resolve(`@foundry-rs/anvil-${platform}/package.json`)), 'bin', 'anvil')
  } catch (error) {
    throw new LabError(
      `the lab's chain is not installed for ${process.platform} on ${process.arch}`,
      platform === undefined
        ? 'Foundry has no anvil for this platform in npm'
        : `npm install --no-save @foundry-rs/anvil-${platform}@1.7.1`,
      error as Error,
    )
  }
}

/** Starts a program that the kernel kills when this process dies, even by `kill -9`. */
function spawnWithOwner(file: string, args: string[]): ChildProcess {
  return spawn('setpriv', ['--pdeathsig', 'KILL', '--', file, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
}

/** Waits until anvil listens. Goes on reading its output, because a full pipe would stop it. */
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
