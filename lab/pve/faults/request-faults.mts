/** Requests that end in an error or without an answer. */

import { STATUS_CODES } from 'node:http'
import { ApiError } from '../core/errors.mts'
import type { FaultOf, Faults } from '../core/fault.mts'

/** Thrown where the connection is to break off instead of an answer. */
export class ConnectionReset extends Error {}

function errorOf({ status = 500, message }: FaultOf<'error'>): ApiError {
  return new ApiError(status, message ?? STATUS_CODES[status] ?? 'error')
}

/** Runs a request's work, unless or until a fault ends it: before anything was done, or when all is. */
export async function withRequestFaults<T>(faults: Faults, work: () => Promise<T>): Promise<T> {
  const reset = faults.due('connection-reset')
  const error = reset ? undefined : faults.due('error')
  const struck = reset ? new ConnectionReset() : error && errorOf(error)
  const when = (reset ?? error)?.when ?? 'before'
  if (struck && when === 'before') throw struck
  const result = await work()
  if (struck) throw struck
  return result
}
