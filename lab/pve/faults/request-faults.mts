/** Faults of requests: an error, or no answer. */

import { STATUS_CODES } from 'node:http'
import { ApiError } from '../core/errors.mts'
import type { FaultOf, Faults } from '../core/fault.mts'

/** Error that makes the server reset the connection instead of answering. */
export class ConnectionReset extends Error {}

function errorOf({ status = 500, message }: FaultOf<'error'>): ApiError {
  return new ApiError(status, message ?? STATUS_CODES[status] ?? 'error')
}

/** Runs a request's work. If a fault is due, throws it instead of the work or after the work. */
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
