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
  let open = false
  let previous: Promise<unknown> = Promise.resolve()
  let syncs = 0
  let received: Buffer = Buffer.alloc(0)
  let onData: () => void = () => undefined
  socket.on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    onData()
  })

  /** The next line that `accept` takes; everything before it is dropped. */
  function answer<T>(accept: (bytes: Buffer) => { value: T; rest: Buffer } | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const done = () => {
        clearTimeout(timer)
        onData = () => undefined
        socket.off('close', gone)
      }
      const gone = () => {
        done()
        reject(new AgentNotRunning('no answer'))
      }
      const timer = setTimeout(gone, ANSWER_TIMEOUT_MS)
      socket.once('close', gone)
      onData = () => {
        const found = accept(received)
        if (!found) return
        received = found.rest
        done()
        resolve(found.value)
      }
      onData()
    })
  }

  async function exchange(command: string, args: Record<string, unknown>): Promise<unknown> {
    if (!open) throw new AgentNotRunning('nothing has opened the port')
    syncs += 1
    const id = syncs
    received = Buffer.alloc(0)
    socket.write(Buffer.from([DELIMITER]))
    socket.write(message('guest-sync-delimited', { id }))
    await answer(bytes => afterSync(bytes, id))
    socket.write(message(command, args))
    const line = await answer(firstLine)
    const { error, return: value } = JSON.parse(line) as Answer
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

const message = (command: string, args: Record<string, unknown>) =>
  `${JSON.stringify(Object.keys(args).length > 0 ? { execute: command, arguments: args } : { execute: command })}\n`

function firstLine(bytes: Buffer): { value: string; rest: Buffer } | undefined {
  const end = bytes.indexOf('\n')
  if (end < 0) return undefined
  return { value: bytes.toString('utf8', 0, end), rest: bytes.subarray(end + 1) }
}

/** What follows the answer to the sync with this id. */
function afterSync(bytes: Buffer, id: number): { value: undefined; rest: Buffer } | undefined {
  for (let at = bytes.indexOf(DELIMITER); at >= 0; at = bytes.indexOf(DELIMITER, at + 1)) {
    const line = firstLine(bytes.subarray(at + 1))
    if (line?.value === `{"return": ${id}}`) return { value: undefined, rest: line.rest }
  }
  return undefined
}
