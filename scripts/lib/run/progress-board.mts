/** Lines at the end of a terminal that are redrawn while work goes on. */
export interface Board {
  /** Whether lines can be redrawn; otherwise only `say` prints. */
  readonly isLive: boolean
  /** Shows a line until it is removed; `remove` leaves `last` behind as a line that stays. */
  add(text: () => string): (last: string) => void
  /** Draws every line anew. */
  draw(): void
  /** Prints a line that stays. */
  say(text: string): void
}

type Terminal = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>

const refreshMs = 1000
const clearLine = '\r\x1b[K'
const lineUp = '\x1b[1A'

/** A board on `terminal`; what it is, is looked at anew each time. */
export function createBoard(terminal: Terminal): Board {
  const lines = new Set<() => string>()
  let timer: NodeJS.Timeout | undefined
  /** How many lines stand there now. */
  let drawn = 0
  const erase = (): string => {
    const text = drawn === 0 ? '' : clearLine + `${lineUp}${clearLine}`.repeat(drawn - 1)
    drawn = 0
    return text
  }
  const draw = (before = erase()): void => {
    const width = (terminal.columns ?? 80) - 1
    const texts = [...lines].map(text => text().slice(0, width))
    // A first line begins where whoever wrote before left off.
    const start = before === '' && texts.length > 0 ? clearLine : before
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
      timer ??= setInterval(draw, refreshMs)
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
