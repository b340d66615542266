/** Calls between the lab's outer process and its process inside the namespace, over the IPC channel of Node.js. */

import type { ChildProcess } from 'node:child_process'
import { LabError } from './core/lab-error.mts'

// biome-ignore lint/suspicious/noExplicitAny: handler and caller agree on arguments and result
type Handlers = Record<string, (...args: any[]) => Promise<unknown>>

interface Request {
  id: number
  name: string
  args: unknown[]
}

interface Reply {
  id: number
  value?: unknown
  error?: { name: string; message: string; hint: string | undefined }
}

/** Answers the calls of the parent process. Arguments and results travel as JSON. */
export function answerCalls(handlers: Handlers): void {
  process.on('message', async ({ id, name, args }: Request) => {
    const reply = await handle(handlers, name, args)
    if (process.connected) process.send!({ id, ...reply })
  })
}

async function handle(handlers: Handlers, name: string, args: unknown[]): Promise<Omit<Reply, 'id'>> {
  try {
    return { value: await handlers[name]!(...args) }
  } catch (error) {
    const { message } = error as Error
    const hint = error instanceof LabError ? error.hint : undefined
    return { error: { name: (error as Error).constructor.name, message, hint } }
  }
}

function failureOf({ name, message, hint }: NonNullable<Reply['error']>): Error {
  if (hint !== undefined) return new LabError(message, hint)
  return Object.assign(new Error(message), { name })
}

// biome-ignore lint/suspicious/noExplicitAny: see Handlers
export type Caller = (name: string, ...args: unknown[]) => Promise<any>

/** Returns a function that calls handlers in a child process. Its promise rejects if the child ends first. */
export function callerOf(child: ChildProcess): Caller {
  const pending = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  let last = 0
  let ended: string | undefined
  const end = (reason: string) => {
    ended = reason
    for (const call of pending.values()) call.reject(new Error(reason))
    pending.clear()
  }
  child.on('message', ({ id, value, error }: Reply) => {
    const call = pending.get(id)
    pending.delete(id)
    if (error) call?.reject(failureOf(error))
    else call?.resolve(value)
  })
  child.once('error', error => end(error.message))
  child.once('exit', (code, signal) => end(`the process inside the lab ended with ${signal ?? code}`))
  return (name, ...args) =>
    new Promise((resolve, reject) => {
      if (ended !== undefined) {
        reject(new Error(ended))
        return
      }
      last += 1
      pending.set(last, { resolve, reject })
      child.send({ id: last, name, args } satisfies Request)
    })
}
