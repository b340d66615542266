import { describe, expect, test } from 'vitest'
import { createBoard } from '../../../scripts/lib/run/progress-board.mts'

/** A terminal that keeps what it shows: understands what the board writes, and nothing else. */
function fakeTerminal(columns = 80) {
  const lines = ['']
  let row = 0
  return {
    isTTY: true as const,
    columns,
    lines,
    write(text: string | Uint8Array): boolean {
      for (const part of String(text).split(/(\r\x1b\[K|\x1b\[1A|\n)/)) {
        if (part === '\r\x1b[K') lines[row] = ''
        else if (part === '\x1b[1A') row -= 1
        else if (part === '\n') lines[++row] ??= ''
        else lines[row] += part
      }
      return true
    },
  }
}

describe('on a terminal', () => {
  test('each piece of work has its line, drawn anew in place', () => {
    const terminal = fakeTerminal()
    const board = createBoard(terminal)
    let step = 'clone'
    const removeFirst = board.add(() => `debian ${step}`)
    const removeSecond = board.add(() => 'ubuntu boot')
    expect(terminal.lines).toEqual(['debian clone', 'ubuntu boot'])
    step = 'test'
    board.draw()
    expect(terminal.lines).toEqual(['debian test', 'ubuntu boot'])
    removeFirst('debian: done')
    expect(terminal.lines).toEqual(['debian: done', 'ubuntu boot'])
    removeSecond('ubuntu: done')
    expect(terminal.lines).toEqual(['debian: done', 'ubuntu: done', ''])
  })

  test('what is said stays above the lines that are drawn', () => {
    const terminal = fakeTerminal()
    const board = createBoard(terminal)
    board.say('begin')
    const remove = board.add(() => 'debian')
    board.say('a warning')
    expect(terminal.lines).toEqual(['begin', 'a warning', 'debian'])
    remove('end')
    expect(terminal.lines).toEqual(['begin', 'a warning', 'end', ''])
  })

  test('a line is cut where it would wrap, since a wrapped one cannot be drawn anew', () => {
    const terminal = fakeTerminal(10)
    const remove = createBoard(terminal).add(() => '0123456789abc')
    expect(terminal.lines).toEqual(['012345678'])
    remove('end')
  })
})

test('elsewhere only what stays is printed', () => {
  let written = ''
  const board = createBoard({
    isTTY: false as never,
    columns: 80,
    write: (text: string | Uint8Array) => {
      written += text
      return true
    },
  })
  const remove = board.add(() => 'debian 1.0 s')
  board.say('a warning')
  remove('debian: done')
  expect(written).toBe('a warning\ndebian: done\n')
  expect(board.isLive).toBe(false)
})
