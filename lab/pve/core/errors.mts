/** Failures as Proxmox VE words them: an HTTP status, a message and, for parameters, one text per key. */
export class ApiError extends Error {
  readonly status: number
  readonly errors: Record<string, string> | undefined

  constructor(status: number, message: string, errors?: Record<string, string>) {
    super(message)
    this.status = status
    this.errors = errors
  }
}

/** 400, with one text per offending parameter. */
export function parameterError(errors: Record<string, string>): ApiError {
  return new ApiError(400, 'Parameter verification failed.', errors)
}

/** 403. `detail` is `/path, Priv|Priv`; Proxmox leaves it out where several alternatives failed. */
export function permissionDenied(detail?: string): ApiError {
  return new ApiError(
    403,
    detail === undefined ? 'Permission check failed' : `Permission check failed (${detail})`,
  )
}

/** 500, which is what every `die` in Proxmox's own code becomes. */
export function failure(message: string): ApiError {
  return new ApiError(500, message)
}

/** 401 before any handler runs: the answer has this reason phrase and no body. */
export class Unauthorized extends Error {}

/** 595, the code Proxmox has for a node it cannot connect to: this reason phrase and no body. */
export class NodeUnreachable extends Error {}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
