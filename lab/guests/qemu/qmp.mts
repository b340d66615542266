/** QEMU's control protocol QMP on a socket: one JSON document per line. */

import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { deferred } from '../../core/deferred.mts'

export interface QmpEvent {
  event: string
  data?: Record<string, unknown>
}

export interface Qmp {
  /** Runs a command; returns its `return` value. @throws {Error} with QEMU's text. @throws {MachineGone} */
  execute(command: string, args?: Record<string, unknown>): Promise<unknown>
}

interface Reply {
  id?: number
  return?: unknown
  error?: { desc: string }
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

/** Error of a command that QEMU did not answer before it ended. */
export class MachineGone extends Error {
  constructor() {
    super('the machine is gone')
  }
}

/** Resolves when QEMU accepts commands. @throws {MachineGone} */
export async function connectQmp(socket: Socket, onEvent: (event: QmpEvent) => void): Promise<Qmp> {
  const waiting = new Map<number, Waiting>()
  let last = 0
  const greeting = deferred<void>()
  socket.on('error', () => undefined)
  socket.once('close', () => {
    const gone = new MachineGone()
    greeting.reject(gone)
    for (const { reject } of waiting.values()) reject(gone)
    waiting.clear()
  })
  createInterface({ input: socket }).on('line', line => {
    const message = JSON.parse(line) as Reply & Partial<QmpEvent> & { QMP?: object }
    if (message.QMP) greeting.resolve()
    else if (message.event !== undefined) onEvent(message as QmpEvent)
    else settle(waiting, message)
  })
  const execute = (command: string, args: Record<string, unknown> = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (socket.destroyed) {
        reject(new MachineGone())
        return
      }
      last += 1
      waiting.set(last, { resolve, reject })
      socket.write(`${JSON.stringify({ execute: command, arguments: args, id: last })}\n`)
    })
  await greeting.promise
  await execute('qmp_capabilities')
  return { execute }
}

function settle(waiting: Map<number, Waiting>, { id, return: value, error }: Reply): void {
  const call = waiting.get(id ?? 0)
  waiting.delete(id ?? 0)
  if (error) call?.reject(new Error(error.desc))
  else call?.resolve(value)
}
