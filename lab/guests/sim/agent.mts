/** The guest agent of a simulated guest. */

import { connect, type Socket } from 'node:net'
import { agentRequest, agentResult } from '../agent-protocol.mts'
import { AgentNotRunning } from '../driver.mts'

/** Path of qemu-ga's socket inside the guest: see the drop-in of its service in the image. */
export const AGENT_PORT_PATH = 'dev/virtio-ports/org.qemu.guest_agent.0'

const ANSWER_TIMEOUT_MS = 5000

export type AgentClient = (command: string, args: Record<string, unknown>) => Promise<unknown>

/** Talks to the real qemu-ga of one guest through its Unix socket. It serves one client at a time: commands queue. */
export function createAgentClient(path: string): AgentClient {
  let previous: Promise<unknown> = Promise.resolve()
  return (command, args) => {
    const answer = previous.then(() => exchange(path, agentRequest(command, args))).then(agentResult)
    previous = answer.catch(() => undefined)
    return answer
  }
}

function exchange(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect(path, () => socket.write(request))
    const fail = (reason: string): void => {
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

/** Waits for the end of the connection, because the agent does not answer a second client. */
function finish(socket: Socket, done: () => void): void {
  socket.removeAllListeners('close')
  socket.once('close', done)
  socket.destroy()
}
