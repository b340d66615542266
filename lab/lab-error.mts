/** A failure of the lab that is not a defect: what happened, and what to do about it. */
export class LabError extends Error {
  readonly hint: string

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'LabError'
    this.hint = hint
  }
}

/** An option the lab does not accept. */
export class LabUsageError extends LabError {}
