/**
 * How long .envrc takes to load with the tools installed: the real direnv, sops and age; and once it is loaded, to find
 * that nothing changed. Prints the medians and fails where loading is not under a second.
 * Run: `node bench/direnv.mts [RUNS]` after `make setup`.
 */
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { runCommand } from '../scripts/lib/run/exec.mts'
import { printFigures } from './figures.mts'
import { medianOf } from './median.mts'

const goalMs = 1000
const runs = Number(process.argv[2] ?? 7)
const repository = resolve(import.meta.dirname, '..')
const own = join(repository, 'node_modules/.bin')
const home = await mkdtemp(join(tmpdir(), 'proxmint-bench-'))
const project = join(home, 'my project')

const credentials = `proxmox_url: https://pve.example.net:8006/api2/json
proxmox_user: builder@pve
proxmox_token_id: ci
proxmox_token_secret: 01234567-89ab-cdef-0123-456789abcdef
proxmox_node: pve
proxmox_storage_pool: tank
`

/** As in a shell that knows nothing of the project. */
const env: Record<string, string | undefined> = {
  HOME: home,
  XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  XDG_CONFIG_HOME: join(home, '.config'),
  XDG_DATA_HOME: join(home, '.local/share'),
  PATH: process.env['PATH']!.split(delimiter)
    .filter(folder => resolve(folder) !== own)
    .join(delimiter),
}

async function run(file: string, args: string[], further: object = {}, input?: string): Promise<string> {
  const plan = { file, args, cwd: project, env: { ...env, ...further }, input }
  const { code, stdout, stderr } = await runCommand(plan)
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout
}

async function timed(further: object): Promise<{ ms: number; stdout: string }> {
  const start = performance.now()
  const stdout = await run('direnv', ['export', 'json'], further)
  return { ms: performance.now() - start, stdout }
}

async function several(further: object): Promise<{ ms: number; stdout: string }[]> {
  const all: { ms: number; stdout: string }[] = []
  for (let i = 0; i < runs; i++) all.push(await timed(further))
  return all
}

try {
  await mkdir(join(project, 'secrets'), { recursive: true })
  await cp(join(repository, '.envrc'), join(project, '.envrc'))
  for (const name of ['node_modules', 'scripts', 'config', 'tools', 'packer']) {
    await symlink(join(repository, name), join(project, name))
  }
  await run(join(own, 'zx'), ['scripts/credentials.mts', 'init'], { PATH: process.env['PATH'] }, credentials)
  await run('direnv', ['allow'])
  const loads = await several({})
  const loaded = JSON.parse(loads[0]!.stdout) as Record<string, string>
  if (loaded['PROXMOX_NODE'] !== 'pve') throw new Error('.envrc did not load the credentials')
  const unchanged = await several(loaded)
  const [load, again] = [loads, unchanged].map(all => medianOf(all.map(({ ms }) => ms)))
  printFigures([
    {
      what: `.envrc, to load, median of ${runs}`,
      value: load!,
      unit: 'ms',
      beside: 'to find nothing changed',
      besideValue: again!,
      goal: `under ${goalMs} ms`,
    },
  ])
  if (load! >= goalMs) process.exitCode = 1
} finally {
  await rm(home, { recursive: true, force: true })
}
