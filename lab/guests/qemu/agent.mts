import type { Socket } from 'node:net'
import { AgentCommandFailed, AgentNotRunning } from '../driver.mts'

/** Emulated machines are slow, more so when this one is busy. */
const ANSWER_TIMEOUT_MS = 15_000

/** The agent puts this byte, which is in no JSON, before the answer to a delimited sync. */
const DELIMITER = 0xff

interface Answer {
  return?: unknown
  error?: { class: string; desc: string }
}

export interface AgentChannel {
  /** Whether something in the guest has opened its end; QEMU tells. */
  setOpen(open: boolean): void
  ask(command: string, args: Record<string, unknown>): Promise<unknown>
}

/**
 * Talks to qemu-ga by way of a virtio-serial port. The port has no connections, so each command begins with a
 * sync: what an agent says to an earlier command that was given up on is then told from the answer.
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
    socket.write(message('guest-sync-delimited', { id }))
    await reader.next(bytes => afterSync(bytes, id))
    socket.write(message(command, args))
    const { error, return: value } = JSON.parse(await reader.next(firstLine)) as Answer
    if (error) throw new AgentCommandFailed(error.desc)
    return value
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

/** A piece found in what was received, and what comes after it. */
interface Piece<T> {
  value: T
  rest: Buffer
}

interface Reader {
  /** Drops what was received so far. */
  forget(): void
  /** The first piece that `find` finds, as soon as it is there. Rejects when that takes too long. */
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

function message(command: string, args: Record<string, unknown>): string {
  return `${JSON.stringify(Object.keys(args).length > 0 ? { execute: command, arguments: args } : { execute: command })}\n`
}

function firstLine(bytes: Buffer): Piece<string> | undefined {
  const end = bytes.indexOf('\n')
  if (end < 0) return undefined
  return { value: bytes.toString('utf8', 0, end), rest: bytes.subarray(end + 1) }
}

/** What follows the answer to the sync with this id. */
function afterSync(bytes: Buffer, id: number): Piece<undefined> | undefined {
  for (let at = bytes.indexOf(DELIMITER); at >= 0; at = bytes.indexOf(DELIMITER, at + 1)) {
    const line = firstLine(bytes.subarray(at + 1))
    if (line?.value === `{"return": ${id}}`) return { value: undefined, rest: line.rest }
  }
  return undefined
}
