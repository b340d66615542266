/**
 * How long `doctor` takes against a lab with a chain, beside zx on an empty script. Prints the medians and fails where
 * the one of `doctor` is not under 2 s. Run: `node bench/doctor.mts [RUNS]` after `make setup`.
 */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createLab } from '../lab/create.mts'
import { printFigures } from './figures.mts'
import { medianOf } from './median.mts'

const goalMs = 2000
const runs = Number(process.argv[2] ?? 7)
const repository = resolve(import.meta.dirname, '..')
const folder = await mkdtemp(join(tmpdir(), 'proxmint-bench-'))
for (const part of ['packer', 'config', 'cloud-init']) {
  await cp(join(repository, part), join(folder, part), { recursive: true })
}
const empty = join(folder, 'empty.mts')
await writeFile(empty, '')
const lab = await createLab({ timeScale: 0, guests: 'none', images: [], chain: true })
// Host keys of earlier labs are in the home folder.
const env = { HOME: folder, XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache') }

async function timed(...argv: string[]): Promise<number> {
  const start = performance.now()
  const { code, stdout, stderr } = await lab.exec(argv, { cwd: folder, env })
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${stdout}${stderr}`)
  return performance.now() - start
}

try {
  const doctorMs: number[] = []
  const emptyMs: number[] = []
  for (let i = 0; i < runs; i++) {
    doctorMs.push(await timed('zx', join(repository, 'scripts/doctor.mts')))
    emptyMs.push(await timed('zx', empty))
  }
  const [doctor, bare] = [medianOf(doctorMs), medianOf(emptyMs)]
  printFigures([
    {
      what: `doctor on a lab with a chain, median of ${runs}`,
      value: doctor,
      unit: 'ms',
      beside: 'zx on an empty script',
      besideValue: bare,
      goal: `under ${goalMs} ms`,
    },
  ])
  if (doctor >= goalMs) process.exitCode = 1
} finally {
  await lab.close()
  await rm(folder, { recursive: true, force: true })
}
