/** The guest agent of a real machine. */

import type { Socket } from 'node:net'
import { agentRequest, agentResult } from '../agent-protocol.mts'
import { AgentNotRunning } from '../driver.mts'

/** Long enough for an emulated guest on a busy machine. */
const ANSWER_TIMEOUT_MS = 15_000

/** Byte that the agent sends before the answer to `guest-sync-delimited`. JSON never contains it. */
const DELIMITER = 0xff

export interface AgentChannel {
  /** Notes whether a program in the guest has opened the port. QEMU reports that. */
  setOpen(open: boolean): void
  ask(command: string, args: Record<string, unknown>): Promise<unknown>
}

/**
 * Talks to qemu-ga through a virtio-serial port. The port has no connections, so a late answer to an earlier command
 * may still arrive. Each command therefore begins with a sync, and everything before its answer is dropped.
 */
export function openAgentChannel(socket: Socket): AgentChannel {
  const reader = createReader(socket)
  let open = false
  let previous: Promise<unknown> = Promise.resolve()
  let syncs = 0

  async function exchange(command: string, args: Record<string, unknown>): Promise<unknown> {
    if (!open) throw new AgentNotRunning('nothing has opened the port')
    syncs += 1
    const id = syncs
    reader.forget()
    socket.write(Buffer.from([DELIMITER]))
    socket.write(agentRequest('guest-sync-delimited', { id }))
    await reader.next(bytes => afterSync(bytes, id))
    socket.write(agentRequest(command, args))
    return agentResult(await reader.next(firstLine))
  }

  return {
    setOpen(now) {
      open = now
    },
    ask(command, args) {
      const asked = previous.then(() => exchange(command, args))
      previous = asked.catch(() => undefined)
      return asked
    },
  }
}

/** A piece of the received bytes, and the bytes after it. */
interface Piece<T> {
  value: T
  rest: Buffer
}

interface Reader {
  /** Drops the bytes received so far. */
  forget(): void
  /** Waits until `find` finds a piece. @throws {AgentNotRunning} after 15 s. */
  next<T>(find: (received: Buffer) => Piece<T> | undefined): Promise<T>
}

function createReader(socket: Socket): Reader {
  let received: Buffer = Buffer.alloc(0)
  let look: () => void = () => undefined
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    look()
  })
  return {
    forget() {
      received = Buffer.alloc(0)
    },
    next: find =>
      new Promise((resolve, reject) => {
        const stop = () => {
          clearTimeout(timer)
          socket.off('close', giveUp)
          look = () => undefined
        }
        const giveUp = () => {
          stop()
          reject(new AgentNotRunning('no answer'))
        }
        const timer = setTimeout(giveUp, ANSWER_TIMEOUT_MS)
        socket.once('close', giveUp)
        look = () => {
          const piece = find(received)
          if (!piece) return
          stop()
          received = piece.rest
          resolve(piece.value)
        }
        look()
      }),
  }
}

function firstLine(bytes: Buffer): Piece<string> | undefined {
  const end = bytes.indexOf('\n')
  if (end < 0) return undefined
  return { value: bytes.toString('utf8', 0, end), rest: bytes.subarray(end + 1) }
}

/** Finds the end of the answer to the sync with this id. */
function afterSync(bytes: Buffer, id: number): Piece<undefined> | undefined {
  for (let at = bytes.indexOf(DELIMITER); at >= 0; at = bytes.indexOf(DELIMITER, at + 1)) {
    const line = firstLine(bytes.subarray(at + 1))
    if (line?.value === `{"return": ${id}}`) return { value: undefined, rest: line.rest }
  }
  return undefined
}
