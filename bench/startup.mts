/**
 * How long `zx scripts/build.mts --help` takes beside zx on an empty script, in turn, in one run.
 * The ratio is that of the medians. Run: `node bench/startup.mts [RUNS]`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { runCommand } from '../scripts/lib/run/exec.mts'
import { printFigures } from './figures.mts'
import { medianOf } from './median.mts'

const runs = Number(process.argv[2] ?? 15)
const repository = resolve(import.meta.dirname, '..')
const zx = join(repository, 'node_modules/zx/build/cli.js')

const folder = await mkdtemp(join(tmpdir(), 'proxmint-bench-'))
const empty = join(folder, 'empty.mts')
await writeFile(empty, '')

async function timed(args: string[]): Promise<number> {
  const start = performance.now()
  const { code, stderr } = await runCommand({ file: process.execPath, args: [zx, ...args], cwd: repository })
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`)
  return performance.now() - start
}

const helpMs: number[] = []
const emptyMs: number[] = []
for (let i = 0; i < runs; i++) {
  helpMs.push(await timed(['scripts/build.mts', '--help']))
  emptyMs.push(await timed([empty]))
}
await rm(folder, { recursive: true })

const [help, bare] = [medianOf(helpMs), medianOf(emptyMs)]
printFigures([
  {
    what: `build --help, median of ${runs}`,
    value: help,
    unit: 'ms',
    beside: 'zx on an empty script',
    besideValue: bare,
    goal: 'at most 1.5',
  },
])
