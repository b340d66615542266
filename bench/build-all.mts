/**
 * `build --all --parallel` beside the same builds one after the other, in one run on one lab where every clone
 * takes ten seconds longer.
 * Run: `node bench/build-all.mts [FAMILIES] [--test]` after `make setup`; --test with the acceptance test.
 */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createLab } from '../lab/create.mts'
import { printFigures } from './figures.mts'

const [count = 3] = process.argv
  .slice(2)
  .filter(word => /^\d+$/.test(word))
  .map(Number)
const untested = process.argv.includes('--test') ? [] : ['--no-test']
const cloneSeconds = 10

const repository = resolve(import.meta.dirname, '..')
const folder = await mkdtemp(join(tmpdir(), 'proxmint-bench-'))
const families = Array.from({ length: count }, (_, index) => `debian-${index + 1}`)

const lab = await createLab({
  timeScale: 0,
  faults: [{ fault: 'slow-task', seconds: cloneSeconds, match: { task: 'qmclone' } }],
})

/** A repository with families that differ in nothing but their names. */
async function prepare(): Promise<void> {
  await mkdir(join(folder, 'config'))
  await writeFile(
    join(folder, 'config/proxmint.yaml'),
    [
      `builds_per_node: ${count}`,
      `builds_per_storage: ${count}`,
      'images:',
      '  debian-12:',
      `    url: ${lab.imagesUrl}/debian-12-genericcloud-amd64.qcow2`,
      `    checksums_url: ${lab.imagesUrl}/SHA512SUMS`,
      '',
    ].join('\n'),
  )
  for (const os of families) {
    await cp(join(repository, 'packer/debian'), join(folder, 'packer', os), { recursive: true })
  }
}

interface Outcome {
  families: { os: string; seconds: number; error?: string }[]
}

/** @returns what the command printed, and how long it took in seconds. */
async function zx(name: string, ...args: string[]): Promise<{ stdout: string; seconds: number }> {
  const start = performance.now()
  const argv = ['zx', join(repository, `scripts/${name}.mts`), ...args]
  const env = { ...lab.tokenEnv, PROXMINT_CONFIG: join(folder, 'config/proxmint.yaml') }
  const { code, stdout, stderr } = await lab.exec(argv, { cwd: folder, env })
  if (code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`)
  return { stdout, seconds: (performance.now() - start) / 1000 }
}

/** @returns seconds of the whole, and of the family that took longest. */
async function buildAll(parallel: number): Promise<{ whole: number; longest: number }> {
  const { stdout, seconds } = await zx(
    'build',
    '--all',
    '--parallel',
    String(parallel),
    '--json',
    ...untested,
  )
  const single = (JSON.parse(stdout) as Outcome).families.map(family => family.seconds)
  return { whole: seconds, longest: Math.max(...single) }
}

try {
  await prepare()
  await zx('base', 'import', 'debian-12')
  const loop = await buildAll(1)
  const atOnce = await buildAll(count)
  const whole = {
    what: `build --all --parallel ${count}, ${untested.length > 0 ? 'without' : 'with'} acceptance test`,
    value: atOnce.whole,
    unit: 's',
  }
  printFigures([
    {
      ...whole,
      beside: 'the longest of the families alone',
      besideValue: loop.longest,
      goal: 'at most 1.3',
    },
    { ...whole, beside: 'the same one after the other', besideValue: loop.whole },
  ])
} finally {
  await lab.close()
  await rm(folder, { recursive: true, force: true })
}
