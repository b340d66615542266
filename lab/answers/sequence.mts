/**
 * Requests to a Proxmox VE and its answers, in order: the format of `pve-lab record` and of the conformance tests.
 *
 * A file is JSON Lines. A line is a heading or a step:
 *
 *     {"about":{"version":"9.2.11","date":"2026-11-30"}}
 *     {"section":"resize","as":"root@pam"}
 *     {"PUT /nodes/pve/qemu/101/resize":{"disk":"scsi0","size":"+1G"},"data":"UPID:...","task":"OK"}
 *     {"GET /nodes/pve/qemu/999/config":null,"error":[500,"Configuration file ... does not exist"]}
 *
 * `data` is the `data` of a 200; `error` has the status, the message and perhaps the text per parameter. `answer` is
 * any other answer, whole.
 */

export type Parameters = Record<string, unknown>

/** Part of a multipart body, in the order it is sent: a value, or a file with what `contentOf` makes of `content`. */
export interface Part {
  field: string
  value?: string
  filename?: string
  content?: string
}

export interface StepAnswer {
  /** Status of HTTP; 0: the server closed the connection without an answer. */
  status: number
  /** Text of the status line. */
  reason: string
  /** JSON body; `{ _raw }` for another text; null for an empty body. */
  body: unknown
  /** End of the task that the request started. */
  task?: string
  /** Lines of its log. */
  log?: string[]
}

export interface Step {
  section: string
  /** Null: no login. `user@realm`: by a ticket. `user@realm!id`: by an API token that an earlier step made. */
  as: string | null
  method: string
  /** Below `/api2/json`. `{upid}` is the last task's id. */
  path: string
  /** Query of GET and DELETE, form of POST and PUT, or as `encoding` says. */
  params: Parameters | string | Part[] | null
  encoding?: 'json' | 'raw' | 'multipart'
  /** Further headers. `{ticket:USER}` and `{csrf:USER}` stand for what the login gave; `|quoted` percent-encodes. */
  headers?: Record<string, string>
  note?: string
  /** What Proxmox answered; absent in a sequence that is still to be recorded. */
  answer?: StepAnswer
}

interface Line {
  section?: string
  as?: string | null
  [key: string]: unknown
}

function firstLine(message: string): string {
  return message.split('\n')[0]!
}

type WrittenAnswer = { data: unknown } | { error: unknown[] } | { answer: StepAnswer }

function isPlainData(status: number, body: unknown): body is { data: unknown } {
  return status === 200 && Object.keys(body ?? {}).join() === 'data'
}

interface ErrorBody {
  message: string
  errors?: Record<string, string>
}

function isPlainError({ reason, body }: StepAnswer): boolean {
  const { data, message, errors, ...rest } = (body ?? {}) as ErrorBody & { data: unknown }
  const isUsual = data === null && message?.endsWith('\n') && Object.keys(rest).length === 0
  return isUsual && reason === firstLine(message) && (errors === undefined || typeof errors === 'object')
}

function writeAnswer({ task, log, ...answer }: StepAnswer): WrittenAnswer {
  const { status, reason, body } = answer
  if (isPlainData(status, body) && reason === 'OK') return { data: body.data }
  if (!isPlainError(answer)) return { answer }
  const { message, errors } = body as ErrorBody
  return { error: [status, message.slice(0, -1), ...(errors ? [errors] : [])] }
}

function readAnswer({ data, error, answer, task, log }: Line): StepAnswer | undefined {
  const ends = {
    ...(task === undefined ? {} : { task: task as string }),
    ...(log === undefined ? {} : { log: log as string[] }),
  }
  if (answer !== undefined) return { ...(answer as StepAnswer), ...ends }
  if (error !== undefined) {
    const [status, message, errors] = error as [number, string, Record<string, string>?]
    const body = { data: null, message: `${message}\n`, ...(errors && { errors }) }
    return { status, reason: firstLine(message), body, ...ends }
  }
  return data === undefined ? undefined : { status: 200, reason: 'OK', body: { data }, ...ends }
}

function writeStep({ method, path, params, encoding, headers, note, answer }: Step): string {
  const { task, log } = answer ?? {}
  return JSON.stringify({
    [`${method} ${path}`]: params,
    ...{ encoding, headers, note },
    ...(answer && writeAnswer(answer)),
    ...{ task, log },
  })
}

/**
 * Writes a sequence as JSON Lines, with a heading wherever the section or the login changes.
 * @param about what answered: versions, types of storages.
 */
export function writeSequence(steps: readonly Step[], about: Record<string, unknown>): string {
  let heading = ''
  const lines = steps.flatMap(step => {
    const { section, as } = step
    const before = heading
    heading = JSON.stringify({ section, as })
    return heading === before ? [writeStep(step)] : [heading, writeStep(step)]
  })
  return `${[JSON.stringify({ about }), ...lines].join('\n')}\n`
}

function readStep(line: Line, { section = '', as = null }: Line): Step {
  const [call] = Object.keys(line)
  const [, method, path] = /^([A-Z]+) (\S+)$/.exec(call ?? '') ?? []
  if (method === undefined || path === undefined)
    throw new Error(`\`${call}\` is neither a heading nor METHOD /path`)
  const { encoding, headers, note } = line as Partial<Step>
  const answer = readAnswer(line)
  return {
    ...{ section, as, method, path, params: (line[call!] ?? null) as Step['params'] },
    ...(encoding && { encoding }),
    ...(headers && { headers }),
    ...(note && { note }),
    ...(answer && { answer }),
  }
}

/** Reads JSON Lines. @throws {Error} that names the line. */
export function readSequence(text: string): Step[] {
  let heading: Line = {}
  return text.split('\n').flatMap((words, index) => {
    if (words.trim() === '') return []
    try {
      const line = JSON.parse(words) as Line
      if (line['about'] !== undefined) return []
      if (line.section === undefined) return [readStep(line, heading)]
      heading = line
      return []
    } catch (error) {
      throw new Error(`line ${index + 1}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      })
    }
  })
}
