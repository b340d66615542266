/** A failure of the lab that is not a defect: what happened, and what to do about it. */
export class LabError extends Error {
  readonly hint: string

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'LabError'
    this.hint = hint
  }
}

/** @param error of a `listen` call. */
export function cannotListen(where: { host: string; port: number }, error: Error): LabError {
  return new LabError(
    `the lab cannot listen on ${where.host}:${where.port}: ${error.message}`,
    'choose another address, or port 0 for a free one',
    error,
  )
}

/** An option the lab does not accept. */
export class LabUsageError extends LabError {}
