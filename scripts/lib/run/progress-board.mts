/** Lines at the end of a terminal that are redrawn while work runs. */
export interface Board {
  /** True on a terminal. Otherwise only `say` prints. */
  readonly isLive: boolean
  /** Shows a line. The returned function removes it and prints `last` as a line that stays. */
  add(text: () => string): (last: string) => void
  /** Redraws every line. */
  draw(): void
  /** Prints a line that stays. */
  say(text: string): void
}

type Terminal = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>

const REFRESH_MS = 1000
const CLEAR_LINE = '\r\x1b[K'
const LINE_UP = '\x1b[1A'

/** Creates a board. It checks on each use whether `terminal` is a terminal. */
export function createBoard(terminal: Terminal): Board {
  const lines = new Set<() => string>()
  let timer: NodeJS.Timeout | undefined
  /** Number of lines on the screen now. */
  let drawn = 0
  const erase = (): string => {
    const text = drawn === 0 ? '' : CLEAR_LINE + `${LINE_UP}${CLEAR_LINE}`.repeat(drawn - 1)
    drawn = 0
    return text
  }
  const draw = (before = erase()): void => {
    const width = (terminal.columns ?? 80) - 1
    const texts = [...lines].map(text => text().slice(0, width))
    // Other output may have left the cursor in the middle of a line.
    const start = before === '' && texts.length > 0 ? CLEAR_LINE : before
    terminal.write(start + texts.join('\n'))
    drawn = texts.length
  }
  const board: Board = {
    get isLive() {
      return terminal.isTTY === true
    },
    add(text) {
      if (!board.isLive) return last => board.say(last)
      lines.add(text)
      draw()
      timer ??= setInterval(draw, REFRESH_MS)
      return last => {
        lines.delete(text)
        if (lines.size === 0) {
          clearInterval(timer)
          timer = undefined
        }
        board.say(last)
      }
    },
    draw: () => draw(),
    say(text) {
      if (drawn === 0) terminal.write(`${text}\n`)
      else draw(`${erase()}${text}\n`)
    },
  }
  return board
}
