/** Starts servers that die, and asks them as root's token. */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { ROOT_PASSWORD, ROOT_TOKEN, rootHeaders, ticketOfRoot } from '../client.mts'
import { type Api, apiOf } from './api.mts'
import type { Told } from './server.mts'

export interface Mortal {
  pid: number
  client: Api
  /** Root itself, which may do what its token may not. */
  root: Api
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>
}

function spawnServer(dataDir: string, timeScale: number): ChildProcess {
  const child = fork(new URL('server.mts', import.meta.url).pathname, { execArgv: [] })
  child.send({
    dataDir,
    timeScale,
    rootPassword: ROOT_PASSWORD,
    userCfg: 'user:root@pam:1:0::::::\ntoken:root@pam!test:0:0::\n',
    tokenSecrets: { 'root@pam!test': ROOT_TOKEN },
  })
  return child
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

/** @throws what the server said when it did not start. */
export async function startMortal(dataDir: string, timeScale = 0): Promise<Mortal> {
  const child = spawnServer(dataDir, timeScale)
  const died = once(child, 'exit').then(([code]): [Told] => [
    { message: `the server ended with ${code}`, hint: undefined },
  ])
  const [told] = await Promise.race([once(child, 'message') as Promise<[Told]>, died])
  if ('message' in told) throw Object.assign(new Error(told.message), { hint: told.hint })
  return {
    pid: child.pid!,
    client: apiOf(told, async () => rootHeaders),
    root: apiOf(told, () => ticketOfRoot(told)),
    kill: () => killed(child),
  }
}

/** A server that is killed before it says that it is there, most of the time. */
export async function startAndKill(dataDir: string, afterMs: number): Promise<void> {
  const child = spawnServer(dataDir, 0)
  await new Promise(resolve => setTimeout(resolve, afterMs))
  await killed(child)
}
