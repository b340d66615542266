/** Commands that are killed, paused and overtaken at random moments, on both stores. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { convertToTemplate } from '../../scripts/lib/proxmox/convert-to-template.mts'
import { waitForTask } from '../../scripts/lib/proxmox/task.mts'
import { openPostgresStore } from '../../scripts/lib/registry/postgres/postgres-store.mts'
import { formatLockfile } from '../../scripts/lib/templates/lockfile-format.mts'
import { noVersions } from '../../scripts/lib/templates/version.mts'
import { ageLocksOf } from '../e2e/locks.mts'
import { copyVmFolders, createVmWorkspace, homeIn } from '../e2e/vm-workspace.mts'
import { createWorkspace, rootClient, type Started, startLab, type Workspace } from '../e2e/workspace.mts'
import { startPostgres } from '../unit/registry/postgres.mts'
import { version } from '../unit/templates/sample.mts'
import { interrupt, judge, type Tally } from './trials.mts'

const interruptions = Number(process.env['PROXMINT_TEST_TRIALS'] ?? 40)
const seed = Number(process.env['PROXMINT_TEST_SEED'] ?? Date.now() % 1_000_000)
/** Some seconds each, as commands take them, and what it takes to begin and to judge. */
const timeout = 600_000 + interruptions * 30_000

/**
 * Starts a lab whose VMs are state alone, with a VM template. Nothing here looks into a VM, and a simulated guest is a
 * copy of 7000 files, which takes longer than all that is tried.
 */
async function startLight(): Promise<Lab> {
  const lab = await startLab({ guests: 'none', images: [] })
  const client = rootClient(lab)
  const settings = {
    scsihw: 'virtio-scsi-single',
    scsi0: 'tank:4',
    ide2: 'tank:cloudinit',
    agent: 'enabled=1',
  }
  const { vmid, buildId } = template.copies[0]!
  const made = await client.request<string>('POST', '/nodes/pve/qemu', {
    ...{ vmid, name: template.name, memory: 512, net0: 'virtio,bridge=vmbr0', description: buildId },
    ...settings,
  })
  await waitForTask(client, made, { timeoutMs: 60_000 })
  await convertToTemplate(client, { node: 'pve', vmid })
  return lab
}

const template = version(1)

async function writeTemplate({ folder }: Workspace): Promise<void> {
  const family = { ...noVersions, current: template }
  await writeFile(join(folder, 'config/templates.lock.json'), formatLockfile({ debian: family }))
}

function report(store: string, tally: Tally): void {
  process.stderr.write(`trials on ${store}, seed ${seed}: ${JSON.stringify(tally)}\n`)
  expect(tally.killed + tally.paused + tally.cut).toBeGreaterThanOrEqual(interruptions)
}

test('nothing is lost with a registry in files', { timeout }, async () => {
  await using stack = new AsyncDisposableStack()
  const lab = await startLight()
  stack.defer(() => lab.close())
  const vms = stack.use(await createVmWorkspace(lab, writeTemplate))
  const { registry, start } = vms
  const arena = {
    lab,
    registry,
    machines: 1,
    start: (_: number, name: string, args: string[]) => start(name, args),
    takeOver: ({ pid }: Started) => ageLocksOf(pid, vms.workspace.stateDir),
  }
  const trials = await interrupt(arena, interruptions, seed)
  await judge(trials)
  const { strangers } = trials
  expect(await vms.left()).toEqual([...strangers.keys()].map(vmid => `VM ${vmid} stranger-${vmid}`).sort())
  report('files', trials.tally)
})

test('nothing is lost with a registry in PostgreSQL, and two machines', { timeout }, async () => {
  await using stack = new AsyncDisposableStack()
  const [lab, database] = await Promise.all([startLight(), startPostgres()])
  stack.defer(() => Promise.all([lab.close(), database.stop()]).then(() => undefined))
  const url = await database.url('proxmint')
  const machines = [stack.use(await createMachine(url)), stack.use(await createMachine(url))]
  async function createMachine(database: string): Promise<Workspace> {
    const workspace = await createWorkspace(lab)
    await Promise.all([copyVmFolders(workspace), writeTemplate(workspace)])
    await writeFile(join(workspace.folder, 'config/registry.yaml'), `url: ${database}\n`)
    const connection = `host=${new URL(database).searchParams.get('host')} user=proxmint dbname=proxmint sslmode=disable`
    const backend = `backend:\n  pg:\n    conn_str: ${connection}\n    schema_name: vm_{name}\n`
    await writeFile(join(workspace.folder, 'config/terraform.yaml'), backend)
    return workspace
  }
  const registry = await openPostgresStore(url)
  stack.defer(() => registry.close())
  /** Name of each run in the database. */
  const names = new Map<number, string>()
  const arena = {
    lab,
    registry,
    machines: machines.length,
    start: (machine: number, name: string, args: string[]) => {
      const env = { ...homeIn(machines[machine]!), PGAPPNAME: `run ${names.size}` }
      const run = machines[machine]!.start(name, args, env)
      names.set(run.pid, env.PGAPPNAME)
      return run
    },
    takeOver: ({ pid }: Started) => endConnections(url, 'application_name = $1', names.get(pid)!),
    cut: () => endConnections(url, `application_name LIKE 'run %' ORDER BY random() LIMIT 1`),
  }
  const trials = await interrupt(arena, interruptions, seed)
  await judge(trials)
  report('PostgreSQL', trials.tally)
})

/** Ends connections of runs, as a restart of the database does to all of them. */
async function endConnections(url: string, which: string, ...values: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND ${which}`,
    values,
  )
  await client.end()
}
