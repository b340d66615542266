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
import { knownIn, validate } from '../core/parameters.mts'
import { decodePercent } from '../core/percent.mts'
import { type Caller, requirePermission } from '../core/permission.mts'
import type { Pve } from '../core/pve.mts'
import { Answer, permissionOf, type Route } from '../core/route.mts'
import { isTokenId } from '../core/user-cfg.mts'
import { noteVmids, requestOperation, runAs } from '../faults/operation.mts'
import { ConnectionReset, withRequestFaults } from '../faults/request-faults.mts'
import { Refused, requireAdmissible, requireAdmissibleBody } from './admission.mts'
import { type Body, readBody } from './body.mts'
import { reset, workerOf } from './connections.mts'
import { sendData, sendError, sendPlain } from './respond.mts'
import { createRouter, type Match } from './router.mts'
import { toRaw } from './sent.mts'
import { parseForm, type Sent } from './uri.mts'

const PREFIX = '/api2/json'
/** Seconds before the answer to a caller without valid credentials, as on Proxmox. */
const UNAUTHORIZED_DELAY = 3

/** Adds the values of the path. @throws {ApiError} 400 for the first key that was sent with another value. */
function mergeParameters(path: Record<string, string>, sent: Sent): Sent {
  const conflict = Object.keys(sent)
    .sort()
    .find(key => Object.hasOwn(path, key) && sent[key] !== path[key])
  if (conflict !== undefined)
    throw parameterError({
      [conflict]: 'duplicate parameter (already defined in URI) with conflicting values!',
    })
  return { ...sent, ...path }
}

function requireTicket({ route, resource }: Match & { resource: string }, caller: Caller): void {
  if (route.allowToken === false && isTokenId(caller.authid))
    throw permissionDenied(`URI '${resource}' not available with API token, need proper ticket.\n`)
}

/** The name finds a host in other case, too. Then there is no certificate of that name to trust. */
function unknownNode(pve: Pve, name: string): Error {
  return pve.store.state.nodes.some(node => node.name.toLowerCase() === name.toLowerCase())
    ? new NodeUnreachable(596, 'error:0A000086:SSL routines::certificate verify failed')
    : failure(
        `hostname lookup '${name}' failed - failed to get address info for: ${name}: Name or service not known`,
      )
}

/**
 * Returns the server as it works on the node of the path.
 * @throws {ApiError} for an unknown node. @throws {NodeUnreachable} for a node that is offline.
 */
function forwardedTo(pve: Pve, name: string | undefined): Pve {
  if (name === undefined || name === 'localhost') return pve
  const node = findNode(pve.store.state, name)
  if (node?.online === false) throw new NodeUnreachable(595, 'No route to host')
  if (!node) throw unknownNode(pve, name)
  return onNode(pve, name)
}

async function handle(
  pve: Pve,
  caller: Caller,
  match: Match & { resource: string },
  body: Body,
): Promise<Answer> {
  const { route, pathParameters } = match
  const sent = mergeParameters(pathParameters, body.parameters)
  noteVmids(...[sent['vmid'], sent['newid']].map(String))
  requireTicket(match, caller)
  requirePermission(caller, sent, permissionOf(route, pve.version))
  const here = forwardedTo(pve, pathParameters['node'])
  const raw = toRaw(route.parameters, sent)
  const params = validate(route.parameters, route.acceptsMore ? knownIn(route.parameters, raw) : raw)
  const call = { pve: here, caller, params: params as never, upload: body.upload, raw }
  const result = await route.handle(call)
  return result instanceof Answer ? result : new Answer(result, {})
}

function isUploadTo(match: Match | undefined): boolean {
  return match?.route.path.endsWith('/upload') === true
}

/** A login is needed unless the path is literally that of an operation for everybody. */
function needsLogin(pve: Pve, { match, resource }: Target): boolean {
  return match?.route.path !== resource || permissionOf(match.route, pve.version).kind !== 'world'
}

/** @throws {ApiError} 403 for an upload without its privilege, which is checked before the body is read. */
function identify(pve: Pve, request: IncomingMessage, target: Target): Caller {
  const { method = '', headers } = request
  const { match } = target
  const isUpload = isUploadTo(match)
  const authid = needsLogin(pve, target) ? authenticate(pve, { method, headers, isUpload }) : ''
  const caller = { authid, access: pve.store.state.access, version: pve.version }
  if (match && isUpload) requireMayUpload(pve, caller, match)
  return caller
}

/** @throws {Unauthorized} with status 403: the answer is that of a login that failed. */
function requireMayUpload(pve: Pve, caller: Caller, { route, pathParameters }: Match): void {
  try {
    requirePermission(caller, pathParameters, permissionOf(route, pve.version))
  } catch (error) {
    throw error instanceof ApiError ? new Unauthorized(error.message, error.status) : error
  }
}

function toApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : failure(messageOf(error))
}

function splitUrl(url: string): { pathname: string; query: string } {
  const at = url.indexOf('?')
  return at < 0 ? { pathname: url, query: '' } : { pathname: url.slice(0, at), query: url.slice(at + 1) }
}

async function answer(
  pve: Pve,
  find: ReturnType<typeof createRouter>,
  request: IncomingMessage,
): Promise<Answer> {
  const { pathname, query } = splitUrl(request.url ?? '')
  const method = request.method ?? 'GET'
  const path = decodePercent(pathname)
  const resource = path.startsWith(PREFIX) ? path.slice(PREFIX.length) || '/' : undefined
  const match = resource === undefined ? undefined : find(method, resource)
  const doing = requestOperation(
    method,
    pathname.startsWith(PREFIX) ? pathname.slice(PREFIX.length) : pathname,
  )
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
  const caller = identify(pve, request, { match, resource, query })
  if (!match) throw new ApiError(501, `Method '${method} ${resource}' not implemented`)
  requireAdmissibleBody(request, isUploadTo(match))
  const body = await readBody(request, join(pve.dataDir, 'uploads'))
  try {
    // No time limit from here on: the handler may take long.
    request.socket.setTimeout(0)
    // `_dc` keeps browsers from answering out of their cache.
    const { _dc, ...parameters } = { ...body.parameters, ...parseForm(query) }
    const result = await handle(pve, caller, { ...match, resource }, { ...body, parameters })
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
      if (error instanceof Refused) return sendPlain(response, error.status, error.message, error.body)
      if (error instanceof NodeUnreachable) return sendPlain(response, error.status, error.message)
      if (!(error instanceof Unauthorized)) return sendError(response, toApiError(error))
      await pve.pause(UNAUTHORIZED_DELAY)
      sendPlain(response, error.status, error.message)
    }
  }
}
