/**
 * Records the demo: all of it as an asciicast, and two of its moments as a picture. What is committed is the record of
 * one run. Run, after `make setup`: `node docs/images/demo.mts`, which takes as long as the demo; with `--picture` the
 * picture alone is made anew, of the record that is there.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { castOf, linesOf, type Printed, svgOf } from './recording.mts'

const repository = resolve(import.meta.dirname, '../..')
const castFile = join(import.meta.dirname, 'demo.cast')
const title = 'make demo, on an embedded Proxmox VE'

async function record(): Promise<Printed[]> {
  const child = spawn(
    process.execPath,
    [join(repository, 'node_modules/zx/build/cli.js'), 'scripts/demo.mts'],
    {
      cwd: repository,
      env: { ...process.env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const printed: Printed[] = []
  const start = performance.now()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      process.stderr.write(text)
      printed.push({ at: (performance.now() - start) / 1000, text: text.replaceAll(`${repository}/`, '') })
    })
  }
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`the demo ended with ${code}`)
  return printed
}

/** The privilege that is missing, with the line that adds it; then how long everything took. */
function moments(lines: string[]): string[] {
  const missing = lines.findIndex(line => line.startsWith('== take '))
  const remedy = lines.findIndex((line, index) => index > missing && /^ +pveum /.test(line))
  const table = lines.findLastIndex(line => line !== '' && !/^ +[\d.]+ s {2}/.test(line)) + 1
  return [...lines.slice(missing, remedy + 1), '...', ...lines.slice(table)]
}

if (!process.argv.includes('--picture')) await writeFile(castFile, castOf(title, await record()))
const lines = linesOf(await readFile(castFile, 'utf8'))
await writeFile(join(import.meta.dirname, 'demo.svg'), svgOf(title, moments(lines)))
