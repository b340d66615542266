import { redact } from './redact.mts'

/** A running step that can say what it is doing. */
export interface Progress {
  update(detail: string): void
}

const refreshMs = 1000

/**
 * Runs `step` under one line on stderr that shows its label, detail and elapsed seconds. On a terminal the
 * line is redrawn; elsewhere a line is printed at the start and at the end, so that logs stay short.
 */
export async function withProgress<T>(label: string, step: (progress: Progress) => Promise<T>): Promise<T> {
  const line = process.stderr.isTTY === true ? terminalLine(label) : plainLine(label)
  try {
    const result = await step({ update: line.update })
    line.end('done')
    return result
  } catch (error) {
    line.end('failed')
    throw error
  }
}

interface Line {
  update(detail: string): void
  end(outcome: 'done' | 'failed'): void
}

function plainLine(label: string): Line {
  const start = performance.now()
  process.stderr.write(`${label} ...\n`)
  return {
    update: () => {},
    end: outcome => process.stderr.write(`${label}: ${outcome} in ${seconds(start)}\n`),
  }
}

function terminalLine(label: string): Line {
  const start = performance.now()
  let detail = ''
  const draw = (): void => {
    const text = `${label}  ${seconds(start)}  ${detail}`
    process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`)
  }
  draw()
  const timer = setInterval(draw, refreshMs)
  return {
    update(next) {
      detail = redact(next)
      draw()
    },
    end(outcome) {
      clearInterval(timer)
      process.stderr.write(`\r\x1b[K${label}: ${outcome} in ${seconds(start)}\n`)
    },
  }
}

function seconds(start: number): string {
  return `${((performance.now() - start) / 1000).toFixed(1)} s`
}
