/**
 * How long `vm list`, `gc` (which only tells) and `reconcile` take with 10,000 VMs in the registry and in the lab, and
 * how many requests to Proxmox they make with 10 and with 10,000. The VMs are seeded: see seeded-fleet.mts.
 * Run: `node bench/fleet.mts [VMS] [RUNS]`.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Lab } from '../lab/create.mts'
import type { RegistryStore } from '../scripts/lib/registry/store.mts'
import { openRegistry } from '../scripts/lib/site/open-registry.mts'
import type { RegistryPlace } from '../scripts/lib/site/site.mts'
import { startPostgres } from '../test/unit/registry/postgres.mts'
import { type Figure, printFigures } from './figures.mts'
import { medianOf } from './median.mts'
import { labWith, seededEntries, site } from './seeded-fleet.mts'

const [many = 10_000, runs = 3] = process.argv.slice(2).map(Number)
const few = 10
const firstVmid = 10_000
const repository = resolve(import.meta.dirname, '..')
const folder = await mkdtemp(join(tmpdir(), 'proxmint-bench-'))
const database = await startPostgres()

/** A registry with a fleet, and a lab that has the same VMs. */
interface Fleet {
  count: number
  lab: Lab
  root: string
  env: NodeJS.ProcessEnv
}

/** With how many lines each is to answer. */
const commands: Record<string, { argv: string[]; lines: (count: number) => number }> = {
  'vm list': { argv: ['vm', 'list'], lines: count => 1 + count },
  gc: { argv: ['gc'], lines: count => 1 + count / 2 + 1 },
  reconcile: { argv: ['reconcile'], lines: () => 1 },
}

async function prepare(root: string, place: RegistryPlace, count: number): Promise<Fleet> {
  const entries = seededEntries(count, firstVmid)
  await mkdir(join(root, 'config'), { recursive: true })
  await writeFile(join(root, 'config/proxmint.yaml'), `site: ${site}\n`)
  await writeFile(
    join(root, 'config/db.yaml'),
    `vmid_range: [${firstVmid}, 99999]\npools:\n  default: { addresses: 10.0.0.0/8, prefix: 8 }\n`,
  )
  if (place.kind === 'postgres') {
    await writeFile(join(root, 'config/registry.yaml'), `url: ${place.url}\n`)
    await writeFile(
      join(root, 'config/terraform.yaml'),
      'backend: { http: { address: "http://h/{name}" } }\n',
    )
  }
  const store: RegistryStore = await openRegistry('bench', place)
  await store.add(entries, [])
  await store.close()
  for (const { name } of entries) await mkdir(join(root, 'vms', name), { recursive: true })
  const stateFolder = join(root, 'lab')
  const lab = await labWith(entries, { guests: 'none', images: [], timeScale: 0, stateFolder })
  return { count, lab, root, env: { ...lab.tokenEnv, PROXMINT_CONFIG: join(root, 'config/proxmint.yaml') } }
}

/** @returns seconds, and requests to Proxmox. */
async function measure({ count, lab, root, env }: Fleet, command: string): Promise<[number, number]> {
  const {
    argv: [name, ...args],
    lines,
  } = commands[command]!
  // A fault that never strikes counts what it could have struck.
  await lab.faults.set([{ fault: 'connection-reset', after: 1_000_000 }])
  const start = performance.now()
  const argv = ['zx', join(repository, `scripts/${name}.mts`), ...args]
  const { code, stdout, stderr } = await lab.exec(argv, { cwd: root, env })
  const seconds = (performance.now() - start) / 1000
  const answered = stdout.trim().split('\n').length
  if (code !== 0 || answered !== lines(count)) throw new Error(`${command}: ${code}, ${stdout}${stderr}`)
  const [requests] = await lab.faults.list()
  return [seconds, requests!.seen]
}

async function figuresOf(kind: string, fleet: Fleet, requestsOfFew: Map<string, number>): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const command of Object.keys(commands)) {
    const results: [number, number][] = []
    for (let run = 0; run < runs; run++) results.push(await measure(fleet, command))
    const what = `${command}, ${many} VMs, registry in ${kind}`
    const value = medianOf(results.map(([time]) => time))
    figures.push({ what: `${what}, median of ${runs}`, value, unit: 's', goal: 'at most 5 s' })
    const requests = { value: results[0]![1], besideValue: requestsOfFew.get(command)! }
    // `vm list` asks for nothing.
    if (requests.value + requests.besideValue === 0) continue
    const beside = `with ${few} VMs`
    figures.push({ what: `requests of ${what}`, ...requests, unit: 'requests', beside, goal: '1' })
  }
  return figures
}

async function requestsWith(fleet: Fleet): Promise<Map<string, number>> {
  const requests = new Map<string, number>()
  for (const command of Object.keys(commands)) requests.set(command, (await measure(fleet, command))[1])
  await fleet.lab.close()
  return requests
}

try {
  const figures: Figure[] = []
  const place = (root: string): RegistryPlace => ({ kind: 'file', folder: join(root, '.proxmint/registry') })
  const small = join(folder, 'small')
  const requestsOfFew = await requestsWith(await prepare(small, place(small), few))
  const places: [string, RegistryPlace][] = [
    ['files', place(join(folder, 'files'))],
    ['PostgreSQL', { kind: 'postgres', url: await database.url('fleet') }],
  ]
  for (const [kind, where] of places) {
    const fleet = await prepare(join(folder, kind.toLowerCase()), where, many)
    figures.push(...(await figuresOf(kind, fleet, requestsOfFew)))
    await fleet.lab.close()
  }
  printFigures(figures)
} finally {
  await database.stop()
  await rm(folder, { recursive: true, force: true })
}
