/**
 * Runs every benchmark of this folder, one after the other, and writes what they say into bench/results.json and
 * docs/benchmarks.md. Arguments name some of them; the others keep the results of their last run.
 * Run: `node bench/all.mts [NAME]...`, after `make setup`.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { availableParallelism, loadavg } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '../scripts/lib/run/exec.mts'
import type { Figure } from './figures.mts'
import { benchmarksPage, type Result } from './table.mts'

const folder = import.meta.dirname
const resultsFile = join(folder, 'results.json')

/** Those that say at their beginning how to run them; the other files are parts. */
async function benchmarks(): Promise<string[]> {
  const names = (await readdir(folder)).filter(file => file.endsWith('.mts')).map(file => file.slice(0, -4))
  const texts = await Promise.all(names.map(name => readFile(join(folder, `${name}.mts`), 'utf8')))
  return names
    .filter((name, index) => name !== 'all' && texts[index]!.includes(`Run: \`node bench/${name}.mts`))
    .sort()
}

async function run(name: string): Promise<Result> {
  const machine = `${availableParallelism()} cores, load ${loadavg()[0]!.toFixed(1)} before`
  const at = new Date().toISOString()
  const file = join(folder, `${name}.mts`)
  const { code, stdout, stderr } = await runCommand({
    file: process.execPath,
    args: [file],
    env: { PROXMINT_BENCH_JSON: '1' },
  })
  const figures = figuresIn(stdout)
  // One that missed its goal may say so by its exit code.
  if (code !== 0) process.exitCode = 1
  if (figures !== undefined) return { at, machine, figures }
  if (code !== 0) throw new Error(`bench/${name}.mts ended with ${code}: ${stdout}${stderr}`)
  return { at, machine, figures: [], printed: stdout.trim().split('\n') }
}

/** What printFigures prints, as the last line. */
function figuresIn(stdout: string): Figure[] | undefined {
  try {
    const last: unknown = JSON.parse(stdout.trim().split('\n').at(-1)!)
    return Array.isArray(last) ? last : undefined
  } catch {
    return undefined
  }
}

const known = await benchmarks()
const wanted = process.argv.slice(2)
const unknown = wanted.filter(name => !known.includes(name))
if (unknown.length > 0)
  throw new Error(`no such benchmark: ${unknown.join(', ')}; there are ${known.join(', ')}`)

const before: Record<string, Result> = JSON.parse(await readFile(resultsFile, 'utf8').catch(() => '{}'))
const results = Object.fromEntries(Object.entries(before).filter(([name]) => known.includes(name)))
for (const name of wanted.length > 0 ? wanted : known) {
  console.error(`bench/${name}.mts ...`)
  try {
    results[name] = await run(name)
  } catch (error) {
    console.error(String(error))
    process.exitCode = 1
  }
}
const sorted = Object.fromEntries(Object.entries(results).toSorted(([a], [b]) => a.localeCompare(b)))
await writeFile(resultsFile, `${JSON.stringify(sorted, null, 2)}\n`)
const page = benchmarksPage(sorted)
await writeFile(join(folder, '../docs/benchmarks.md'), page)
console.log(page.slice(page.indexOf('| benchmark')))
