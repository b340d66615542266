import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { castOf, linesOf, svgOf } from '../../docs/images/recording.mts'

test('a recording is an asciicast: a header, then what was printed when', () => {
  const cast = castOf('demo', [
    { at: 0.12345, text: '== one\n' },
    { at: 2, text: 'two\n' },
  ])
  const lines = cast
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))
  expect(lines[0]).toMatchObject({ version: 2, width: 120, title: 'demo' })
  expect(lines.slice(1)).toEqual([
    [0.123, 'o', '== one\r\n'],
    [2, 'o', 'two\r\n'],
  ])
  expect(linesOf(cast)).toEqual(['== one', 'two'])
})

test('a picture shows its lines as they are, marks commands and failures, and refers to nothing', () => {
  const svg = svgOf('a "demo"', ['$ zx <x> & y', '  MISSING   VM.Audit'])
  expect(svg).toContain('aria-label="a &quot;demo&quot;"')
  expect(svg).toMatch(/class="told"[^>]*>\$ zx &lt;x> &amp; y</)
  expect(svg).toMatch(/class="bad"[^>]*> {2}MISSING/)
  expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|href/)
})

test('what is committed names no folder of the machine that recorded it', async () => {
  const cast = await readFile(new URL('../../docs/images/demo.cast', import.meta.url), 'utf8')
  expect(JSON.parse(cast.split('\n')[0]!)).toMatchObject({ version: 2 })
  expect(cast).toContain('== build, test and promote the Debian VM template')
  expect(cast).not.toMatch(/\/(?:home|root|work|Users|tmp)\//)
})
