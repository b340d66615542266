import { connect, type Socket } from 'node:net'
import { AgentCommandFailed, AgentNotRunning } from '../driver.mts'

/** Where qemu-ga listens inside the guest: see the drop-in of its service in the image. */
export const AGENT_PORT_PATH = 'dev/virtio-ports/org.qemu.guest_agent.0'

const ANSWER_TIMEOUT_MS = 5000

interface Answer {
  return?: unknown
  error?: { class: string; desc: string }
}

export type AgentClient = (command: string, args: Record<string, unknown>) => Promise<unknown>

/** Talks to the real qemu-ga of one guest through its Unix socket. It serves one client at a time: commands queue. */
export function createAgentClient(path: string): AgentClient {
  let previous: Promise<unknown> = Promise.resolve()
  return (command, args) => {
    const answer = previous.then(() => ask(path, command, args))
    previous = answer.catch(() => undefined)
    return answer
  }
}

async function ask(path: string, command: string, args: Record<string, unknown>): Promise<unknown> {
  const request = Object.keys(args).length > 0 ? { execute: command, arguments: args } : { execute: command }
  const line = await exchange(path, `${JSON.stringify(request)}\n`)
  const answer = JSON.parse(line) as Answer
  if (answer.error) throw new AgentCommandFailed(answer.error.desc)
  return answer.return
}

function exchange(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect(path, () => socket.write(request))
    const fail = (reason: string) => {
      socket.destroy()
      reject(new AgentNotRunning(reason))
    }
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => fail('no answer'))
    socket.on('error', error => fail(error.message))
    socket.on('close', () => fail('the connection was closed'))
    socket.on('data', chunk => {
      received += chunk.toString()
      if (received.includes('\n')) finish(socket, () => resolve(received.slice(0, received.indexOf('\n'))))
    })
  })
}

/** Ends the connection before the next one is opened: the agent would not answer a second client. */
function finish(socket: Socket, done: () => void): void {
  socket.removeAllListeners('close')
  socket.once('close', done)
  socket.destroy()
}
