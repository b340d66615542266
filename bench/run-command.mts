/**
 * How long `runCommand` takes for a program that does nothing, beside Node's `spawn` alone and beside zx's `$` as it is,
 * which puts a bash between; and how long it takes until an interruption has reached the program, beside zx's own `kill`.
 * In turn, in one run. Run: `node bench/run-command.mts [RUNS]`.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { $ } from 'zx/core'
import { runCommand } from '../scripts/lib/run/exec.mts'
import { printFigures } from './figures.mts'
import { medianOf } from './median.mts'

const runs = Number(process.argv[2] ?? 60)
const sleep = { file: 'sleep', args: ['60'] }

async function spawnAlone(): Promise<void> {
  const child = spawn('true', { detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  child.stdout.resume()
  child.stderr.resume()
  await once(child, 'close')
}

async function interruptedByZx(): Promise<void> {
  const running = $({ detached: true, nothrow: true, killSignal: 'SIGINT' })`exec sleep 60`
  await running.kill('SIGINT')
  await running
}

const ways: Record<string, () => Promise<unknown>> = {
  ours: () => runCommand({ file: 'true', args: [] }),
  spawn: spawnAlone,
  bash: () => $({ detached: true })`true`,
  interrupt: () => runCommand(sleep, { signal: AbortSignal.abort() }),
  zxKill: interruptedByZx,
}

const ms = Object.fromEntries(Object.keys(ways).map(name => [name, [] as number[]]))
for (let i = 0; i < runs; i++) {
  for (const [name, way] of Object.entries(ways)) {
    const start = performance.now()
    await way()
    ms[name]!.push(performance.now() - start)
  }
}

const median = (name: string): number => medianOf(ms[name]!)
const what = `runCommand of \`true\`, median of ${runs}`
const interrupted = `runCommand of \`sleep\`, interrupted at once, median of ${runs}`
printFigures([
  { what, value: median('ours'), unit: 'ms', beside: "Node's spawn", besideValue: median('spawn') },
  { what, value: median('ours'), unit: 'ms', beside: "zx's $, through bash", besideValue: median('bash') },
  {
    what: interrupted,
    value: median('interrupt'),
    unit: 'ms',
    beside: "zx's $ and its kill",
    besideValue: median('zxKill'),
  },
])
