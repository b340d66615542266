/** Answers requests: finds the route, authenticates, checks permissions and parameters, calls the handler. */

import { rm } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { authenticate } from '../access/authenticate.mts'
import { findNode, onNode } from '../core/cluster.mts'
import {
  ApiError,
  failure,
  messageOf,
  NodeUnreachable,
  parameterError,
  permissionDenied,
  Unauthorized,
} from '../core/errors.mts'
import { type RawParameters, validate } from '../core/parameters.mts'
import { type Caller, requirePermission } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { Answer, permissionOf, type Route } from '../core/route.mts'
import { isTokenId } from '../core/user-cfg.mts'
import { noteVmids, requestOperation, runAs } from '../faults/operation.mts'
import { ConnectionReset, withRequestFaults } from '../faults/request-faults.mts'
import { Refused, requireAdmissible, requireAdmissibleBody } from './admission.mts'
import { type Body, parseForm, readBody } from './body.mts'
import { reset, workerOf } from './connections.mts'
import { sendData, sendError, sendRefusal, sendUnauthorized, sendUnreachable } from './respond.mts'
import { createRouter, type Match } from './router.mts'

const PREFIX = '/api2/json'
/** Seconds before the answer to a caller without valid credentials, as on Proxmox. */
const UNAUTHORIZED_DELAY = 3

function mergeParameters(path: Record<string, string>, sent: RawParameters): RawParameters {
  const conflicts = Object.keys(path).filter(key => sent[key] !== undefined && sent[key] !== path[key])
  if (conflicts.length > 0)
    throw parameterError(
      Object.fromEntries(conflicts.map(key => [key, 'duplicate parameter (already defined in URI)'])),
    )
  return { ...sent, ...path }
}

/** Joins lists that some clients write as `key[]` or `key[0]`. Only array parameters have such names. */
function joinLists(route: Route, raw: RawParameters): RawParameters {
  const joined: RawParameters = Object.create(null)
  for (const [key, value] of Object.entries(raw)) {
    const name = key.replace(/\[\d*\]$/, '')
    const isList = name !== key && route.parameters[name]?.type === 'array'
    joined[isList ? name : key] = isList ? [joined[name] ?? [], value].flat() : value
  }
  return joined
}

function requireTicket(route: Route, caller: Caller): void {
  if (route.allowToken === false && isTokenId(caller.authid))
    throw permissionDenied(`URI '${route.path}' not available with API token, need proper ticket.`)
}

/**
 * Returns the server as it works on the node of the path.
 * @throws {ApiError} for an unknown node. @throws {NodeUnreachable} for a node that is offline.
 */
function forwardedTo(pve: Pve, name: string | undefined): Pve {
  if (name === undefined || name === 'localhost') return pve
  const node = findNode(pve.store.state, name)
  if (!node)
    throw failure(
      `hostname lookup '${name}' failed - failed to get address info: ${name}: Name or service not known`,
    )
  if (!node.online) throw new NodeUnreachable('No route to host')
  return onNode(pve, name)
}

async function handle(pve: Pve, caller: Caller, match: Match, body: Body): Promise<Answer> {
  const { route, pathParameters } = match
  const raw = mergeParameters(pathParameters, joinLists(route, body.parameters))
  noteVmids(raw['vmid'], raw['newid'])
  requireTicket(route, caller)
  requirePermission(caller, raw, permissionOf(route, pve.version))
  const here = forwardedTo(pve, pathParameters['node'])
  const params = validate(route.parameters, raw)
  const call = { pve: here, caller, params: params as never, upload: body.upload, raw }
  const result = await route.handle(call)
  return result instanceof Answer ? result : new Answer(result, {})
}

function isUploadTo(match: Match | undefined): boolean {
  return match?.route.path.endsWith('/upload') === true
}

function identify(pve: Pve, request: IncomingMessage, match: Match | undefined): Caller {
  const needsLogin = match === undefined || permissionOf(match.route, pve.version).kind !== 'world'
  const { method = '', headers } = request
  const isUpload = isUploadTo(match)
  const authid = needsLogin ? authenticate(pve, { method, headers, isUpload }) : ''
  return { authid, access: pve.store.state.access, version: pve.version }
}

function toApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : failure(messageOf(error))
}

async function answer(
  pve: Pve,
  find: ReturnType<typeof createRouter>,
  request: IncomingMessage,
): Promise<Answer> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2)
  const method = request.method ?? 'GET'
  const resource = path.startsWith(PREFIX) ? path.slice(PREFIX.length) : undefined
  const match = resource === undefined ? undefined : find(method, resource)
  const doing = requestOperation(method, resource ?? path)
  return runAs(doing, () => {
    noteVmids(match?.pathParameters['vmid'])
    return withRequestFaults(pve.faults, () =>
      serve(pve, request, { match, resource: resource ?? path, query }),
    )
  })
}

interface Target {
  match: Match | undefined
  resource: string
  query: string
}

async function serve(
  pve: Pve,
  request: IncomingMessage,
  { match, resource, query }: Target,
): Promise<Answer> {
  const method = request.method ?? 'GET'
  const caller = identify(pve, request, match)
  if (!match) throw new ApiError(501, `Method '${method} ${resource}' not implemented`)
  requireAdmissibleBody(request, isUploadTo(match))
  const body = await readBody(request, join(pve.dataDir, 'uploads'))
  try {
    // No time limit from here on: the handler may take long.
    request.socket.setTimeout(0)
    const parameters = { ...body.parameters, ...parseForm(query) }
    const result = await handle(pve, caller, match, { ...body, parameters })
    // A client that reads "task done" relies on it, so the state must be on disk first.
    if (method === 'GET' && match.route.path.includes('/tasks')) await pve.store.durable()
    return result
  } finally {
    if (body.upload) await rm(body.upload.path, { force: true })
    // Save after an error, too: the handler may have changed something before it failed.
    if (method !== 'GET') await pve.store.save()
  }
}

/** Makes the request handler of the whole API. */
export function createDispatcher(
  pve: Pve,
  routes: readonly Route[],
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  const find = createRouter(routes)
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader('Date', new Date(pve.now()).toUTCString())
    try {
      requireAdmissible(request)
      const { data, extra } = await answer({ ...pve, worker: workerOf(request.socket) }, find, request)
      sendData(response, data, extra)
    } catch (error) {
      if (error instanceof ConnectionReset) return reset(request.socket)
      request.resume()
      if (error instanceof Refused) return sendRefusal(response, error.status, error.message)
      if (error instanceof NodeUnreachable) return sendUnreachable(response, error.message)
      if (!(error instanceof Unauthorized)) return sendError(response, toApiError(error))
      await pve.pause(UNAUTHORIZED_DELAY)
      sendUnauthorized(response, error.message)
    }
  }
}
