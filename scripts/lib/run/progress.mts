import { AsyncLocalStorage } from 'node:async_hooks'
import { printable, printableLine } from './printable.mts'
import { type Board, createBoard } from './progress-board.mts'

/** Running step that reports details. */
export interface Progress {
  update(detail: string): void
}

/** One of several works that run at the same time. Its steps share one line. */
interface Row {
  name: string
  step: string
  detail: string
  start: number
}

const board: Board = createBoard(process.stderr)
const currentRow = new AsyncLocalStorage<Row>()

/**
 * Runs `work` as one of several at the same time. On a terminal one line shows its name, its current step and the
 * elapsed seconds since its start. Elsewhere each line begins with the name.
 */
export async function withRow<T>(title: string, work: () => Promise<T>): Promise<T> {
  const name = printableLine(title)
  const row: Row = { name, step: 'waits', detail: '', start: performance.now() }
  const text = (): string => [row.name, seconds(row.start), row.step, row.detail].filter(Boolean).join('  ')
  const remove = board.add(text)
  try {
    const result = await currentRow.run(row, work)
    remove(`${name}: done in ${seconds(row.start)}`)
    return result
  } catch (error) {
    remove(`${name}: failed in ${seconds(row.start)}`)
    throw error
  }
}

/**
 * Runs `step` with one line on stderr that shows its label, detail and elapsed seconds. On a terminal the line is
 * redrawn. Elsewhere one line is printed at the start and one at the end.
 */
export async function withProgress<T>(label: string, step: (progress: Progress) => Promise<T>): Promise<T> {
  const line = lineFor(printableLine(label))
  try {
    const result = await step({ update: detail => line.update(printableLine(detail)) })
    line.end('done')
    return result
  } catch (error) {
    line.end('failed')
    throw error
  }
}

/** Prints a line that stays, above the redrawn lines. */
export function say(text: string): void {
  const row = currentRow.getStore()
  board.say(printable(row === undefined ? text : `${row.name}: ${text}`))
}

interface Line {
  update(detail: string): void
  end(outcome: 'done' | 'failed'): void
}

function lineFor(label: string): Line {
  const row = currentRow.getStore()
  if (!board.isLive) return plainLine(row === undefined ? label : `${row.name}: ${label}`)
  return row === undefined ? ownLine(label) : rowLine(row, label)
}

function plainLine(label: string): Line {
  const start = performance.now()
  board.say(`${label} ...`)
  return {
    update: () => {},
    end: outcome => board.say(`${label}: ${outcome} in ${seconds(start)}`),
  }
}

function ownLine(label: string): Line {
  const start = performance.now()
  let detail = ''
  const remove = board.add(() => `${label}  ${seconds(start)}  ${detail}`)
  return {
    update(next) {
      detail = next
      board.draw()
    },
    end: outcome => remove(`${label}: ${outcome} in ${seconds(start)}`),
  }
}

function rowLine(row: Row, label: string): Line {
  Object.assign(row, { step: label, detail: '' })
  board.draw()
  return {
    update(detail) {
      Object.assign(row, { step: label, detail })
      board.draw()
    },
    end: () => Object.assign(row, { step: label, detail: '' }),
  }
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`
}
