/** Errors of the API. */

/** Error with an HTTP status and Proxmox's own message; for parameters, `errors` has one text per key. */
export class ApiError extends Error {
  readonly status: number
  readonly errors: Record<string, string> | undefined

  constructor(status: number, message: string, errors?: Record<string, string>) {
    super(message)
    this.status = status
    this.errors = errors
  }
}

/** Makes a 400 with one text per wrong parameter. */
export function parameterError(errors: Record<string, string>): ApiError {
  return new ApiError(400, 'Parameter verification failed.', errors)
}

/** Makes a 403. @param detail `/path, Priv|Priv`. Proxmox omits it if several alternatives failed. */
export function permissionDenied(detail?: string): ApiError {
  return new ApiError(
    403,
    detail === undefined ? 'Permission check failed' : `Permission check failed (${detail})`,
  )
}

/** Makes a 500, as each `die` in Proxmox's own code does. */
export function failure(message: string): ApiError {
  return new ApiError(500, message)
}

/** Error before any handler runs, for lack of a login. The answer has this reason phrase and no body. */
export class Unauthorized extends Error {
  readonly status: number

  constructor(message: string, status = 401) {
    super(message)
    this.status = status
  }
}

/** Error for a 595 or 596: Proxmox cannot connect to the node. The answer has this reason phrase and no body. */
export class NodeUnreachable extends Error {
  readonly status: 595 | 596

  constructor(status: 595 | 596, message: string) {
    super(message)
    this.status = status
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Returns an error as Proxmox writes it into a task or into another error: with its status, if that is not 500. */
export function textOf(error: unknown): string {
  if (!(error instanceof ApiError) || error.status === 500) return messageOf(error)
  const faults = Object.entries(error.errors ?? {}).map(([key, fault]) => `\n${key}: ${fault}`)
  return `${error.status} ${error.message}${faults.join('')}`
}
