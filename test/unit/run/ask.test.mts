import { PassThrough } from 'node:stream'
import { beforeEach, expect, test } from 'vitest'
import { ask } from '../../../scripts/lib/run/ask.mts'

let input: PassThrough
let interruption: AbortController
let answer: Promise<string | undefined>

beforeEach(() => {
  input = new PassThrough()
  interruption = new AbortController()
  const terminal = { input, output: new PassThrough().resume(), terminal: true }
  answer = ask('Its name? ', interruption.signal, terminal)
})

test('an answer is given as it was typed', async () => {
  input.write('web-1\r')
  expect(await answer).toBe('web-1')
})

test.each([
  ['Ctrl-C', () => input.write('web-1\u0003')],
  ['Ctrl-D', () => input.write('\u0004')],
  ['the end of the input', () => input.end()],
  ['SIGTERM', () => interruption.abort()],
])('%s is no answer', async (_, act) => {
  act()
  expect(await answer).toBeUndefined()
})
