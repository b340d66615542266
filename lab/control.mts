/**
 * Control of a running lab from other processes: HTTP on a Unix socket in the lab's own folder. Only the owner of
 * the lab can reach it, so it needs no password. A real Proxmox has nothing like it.
 */

import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { LabError, LabUsageError } from './core/lab-error.mts'
import { closeServer, listenOn } from './core/listen.mts'
import type { Fault, FaultReport } from './pve/core/fault.mts'
import { parseFaults } from './pve/faults/read-faults.mts'

/** The part of the server that the socket controls. */
interface Controlled {
  setFaults(faults: Fault[]): void
  faults(): FaultReport[]
}

async function setFaults(controlled: Controlled, message: IncomingMessage): Promise<FaultReport[]> {
  // JSON is YAML too.
  controlled.setFaults(parseFaults(await text(message)))
  return controlled.faults()
}

async function act(controlled: Controlled, message: IncomingMessage): Promise<FaultReport[]> {
  const { method, url } = message
  if (url !== '/faults') throw new LabUsageError(`there is no ${url}`, 'GET, PUT or DELETE /faults')
  if (method === 'GET') return controlled.faults()
  if (method === 'PUT') return setFaults(controlled, message)
  if (method !== 'DELETE') throw new LabUsageError(`${method} is not known`, 'GET, PUT or DELETE /faults')
  controlled.setFaults([])
  return []
}

async function answer(
  controlled: Controlled,
  message: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const [status, body] = await act(controlled, message).then(
    faults => [200, { faults }] as const,
    (error: Error) => {
      const hint = error instanceof LabError ? error.hint : undefined
      return [error instanceof LabUsageError ? 400 : 500, { message: error.message, hint }] as const
    },
  )
  response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' })
  response.end(`${JSON.stringify(body)}\n`)
}

export interface Control {
  close(): Promise<void>
}

/** Answers `GET`, `PUT` (body: a YAML or JSON list) and `DELETE /faults` on a Unix socket. */
export async function openControl(path: string, controlled: Controlled): Promise<Control> {
  const server = createServer((message, response) => void answer(controlled, message, response))
  await listenOn(server, { path })
  return {
    close: () => {
      server.closeAllConnections()
      return closeServer(server)
    },
  }
}

function send(path: string, method: string, body: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath: path, path: '/faults', method }, response =>
      text(response).then(body => resolve({ status: response.statusCode!, body }), reject),
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/**
 * Sends a request to a lab's control socket. Returns the faults that apply afterwards.
 * @param faults YAML or JSON list for PUT.
 * @throws {LabUsageError} if the lab does not accept the list. @throws {LabError} if the lab does not answer.
 */
export async function askFaults(
  path: string,
  method: 'GET' | 'PUT' | 'DELETE',
  faults = '',
): Promise<FaultReport[]> {
  const { status, body } = await send(path, method, faults).catch(error => {
    throw new LabError(
      `the lab does not answer on ${path}: ${error.message}`,
      'is it still up? `pve-lab status`',
      error,
    )
  })
  const { faults: reports, message, hint } = JSON.parse(body)
  if (status === 200) return reports
  throw status === 400
    ? new LabUsageError(message, hint)
    : new LabError(message, hint ?? 'see what the lab printed')
}
