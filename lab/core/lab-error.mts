/** Failure with a remedy: the message says what happened, the hint says what to do. */
export class LabError extends Error {
  readonly hint: string

  constructor(message: string, hint: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'LabError'
    this.hint = hint
  }
}

/** Refusal of an option, a file or a request of the lab's owner. */
export class LabUsageError extends LabError {}
