/**
 * How long `vm create --apply` takes per VM, one at a time and as a batch, beside the bare `init` and `apply` of
 * OpenTofu, or of Terraform where that is installed, with the same configurations on the same lab in the same run;
 * with no other VMs, and with 200 that are there already (seeded and powered off: see seeded-fleet.mts). Also how many
 * requests to Proxmox a reservation takes.
 * Run: `node bench/create.mts [BATCH] [THERE] [SINGLES]` after `make setup`.
 */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { createLab, type Lab } from '../lab/create.mts'
import { checkedCredentials } from '../scripts/lib/credentials/credentials.mts'
import { certificateVariables, exportedVariables } from '../scripts/lib/credentials/export.mts'
import { environmentSource } from '../scripts/lib/credentials/source.mts'
import { tokenClient } from '../scripts/lib/proxmox/client.mts'
import { deleteVm } from '../scripts/lib/proxmox/delete-vm.mts'
import { stopVm } from '../scripts/lib/proxmox/stop-vm.mts'
import { waitForTask } from '../scripts/lib/proxmox/task.mts'
import { openFileStore } from '../scripts/lib/registry/file/file-store.mts'
import { createSlots } from '../scripts/lib/run/slots.mts'
import { planApply, planInit, type TerraformSetting } from '../scripts/lib/terraform/commands.mts'
import { requireTool } from '../scripts/lib/tools/find.mts'
import { type Figure, printFigures } from './figures.mts'
import { medianOf } from './median.mts'
import { labWith, seededEntries, site } from './seeded-fleet.mts'

const [batch = 50, there = 200, singles = 3] = process.argv.slice(2).map(Number)
/** What else the machine does falls on both sides when they take turns. */
const parts = 5
/** What `vm create` does at the same time by default. */
const parallel = 2
const repository = resolve(import.meta.dirname, '..')
const folder = await mkdtemp(join(tmpdir(), 'proxmint-bench-'))
const [tofu, provider] = await Promise.all([requireTool('opentofu'), requireTool('proxmox-provider')])

interface Site {
  lab: Lab
  root: string
  env: Record<string, string>
}

/** A repository and a lab with so many VMs beside those that are to be made. */
async function prepare(count: number): Promise<Site> {
  const root = join(folder, `with-${count}`)
  await mkdir(join(root, 'config'), { recursive: true })
  for (const part of ['packer', 'terraform', 'cloud-init'])
    await cp(join(repository, part), join(root, part), { recursive: true })
  const entries = seededEntries(count, 2000)
  const store = openFileStore({ folder: join(root, '.proxmint/registry'), purpose: 'bench' })
  await store.add(entries, [])
  await store.close()
  const options = { timeScale: 0, stateFolder: join(root, 'lab') }
  const lab = count === 0 ? await createLab(options) : await labWith(entries, options)
  await writeConfig(root, lab)
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const env = { ...lab.tokenEnv, PROXMINT_CONFIG: join(root, 'config/proxmint.yaml') }
  const made = { lab, root, env: { ...env, HOME: root, XDG_CACHE_HOME: cache } }
  await zx(made, 'base', 'import', 'debian-12')
  return made
}

async function writeConfig(root: string, { imagesUrl }: Lab): Promise<void> {
  const image = `{ url: ${imagesUrl}/debian-12-genericcloud-amd64.qcow2, checksums_url: ${imagesUrl}/SHA512SUMS }`
  await writeFile(join(root, 'config/proxmint.yaml'), `site: ${site}\nimages:\n  debian-12: ${image}\n`)
  const pool = '{ addresses: 192.168.122.2-192.168.122.250, prefix: 24, gateway: 192.168.122.1 }'
  const cloudInit = `{ template: minimal, ssh_authorized_keys: ['ssh-ed25519 AAAA bench'] }`
  await writeFile(join(root, 'config/vm.yaml'), `cloud_init: ${cloudInit}\n`)
  await writeFile(join(root, 'config/db.yaml'), `vmid_range: [100, 8999]\npools:\n  default: ${pool}\n`)
}

/** @returns seconds. */
async function zx({ lab, root, env }: Site, name: string, ...args: string[]): Promise<number> {
  const start = performance.now()
  const argv = ['zx', join(repository, `scripts/${name}.mts`), ...args]
  const { code, stdout, stderr } = await lab.exec(argv, { cwd: root, env })
  if (code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`)
  return (performance.now() - start) / 1000
}

const create = (where: Site, names: string[], ...args: string[]): Promise<number> =>
  zx(where, 'vm', 'create', ...names, '--template-vmid', '9900', '--parallel', String(parallel), ...args)

/** OpenTofu alone makes and boots VMs whose configuration is written already, as many at a time. @returns seconds. */
async function bare(where: Site, names: string[]): Promise<number> {
  await create(where, names)
  for (const name of names) await started(where, name)
  const start = performance.now()
  const slots = createSlots(() => parallel)
  await Promise.all(names.map(name => slots.use(['run'], () => applyAlone(where, name))))
  const seconds = (performance.now() - start) / 1000
  // The lab's network has a hundred addresses.
  for (const name of names) await remove(where, name)
  return seconds
}

async function remove({ lab, root }: Site, name: string): Promise<void> {
  const file = join(root, 'vms', name, 'main.tf.json')
  const { vmid } = JSON.parse(await readFile(file, 'utf8')).module.vm
  const { credentials } = checkedCredentials(environmentSource(lab.tokenEnv))
  const client = tokenClient(credentials, credentials)
  const vm = { node: 'pve', vmid }
  for (const end of [stopVm, deleteVm]) {
    await waitForTask(client, await end(client, vm), { timeoutMs: 60_000 })
  }
}

async function started({ root }: Site, name: string): Promise<void> {
  const file = join(root, 'vms', name, 'main.tf.json')
  const configuration = JSON.parse(await readFile(file, 'utf8'))
  configuration.module.vm.started = true
  await writeFile(file, JSON.stringify(configuration))
}

async function applyAlone({ lab, root, env }: Site, name: string): Promise<void> {
  const { credentials } = checkedCredentials(environmentSource(lab.tokenEnv))
  const login = { ...exportedVariables(credentials), ...certificateVariables(credentials) }
  const setting: TerraformSetting = {
    tofu,
    provider,
    folder: join(root, 'vms', name),
    env: { ...env, ...login },
  }
  const init = planInit(setting)
  // Without a file of a plan it plans by itself.
  const apply = planApply(setting)
  const applyArgs = [...apply.args.slice(0, -1), '-auto-approve']
  for (const args of [init.args, applyArgs]) {
    const { code, stderr } = await lab.exec([init.file, ...args], {
      cwd: setting.folder,
      env: { ...init.env },
    })
    if (code !== 0) throw new Error(`${args.join(' ')} of ${name} ended with ${code}: ${stderr}`)
  }
}

const named = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}-${n + 1}`)

/** Seconds of each measurement, by what was measured. */
type Figures = Record<'single' | 'singleBare' | 'many' | 'manyBare', number[]>

async function measureSingle(where: Site, figures: Figures, run: number): Promise<void> {
  figures.single.push(await create(where, [`one-${run}`], '--apply'))
  figures.singleBare.push(await bare(where, [`one-bare-${run}`]))
}

async function measurePart(where: Site, figures: Figures, run: number): Promise<void> {
  figures.many.push(await create(where, named(`many-${run}`, batch / parts), '--apply'))
  figures.manyBare.push(await bare(where, named(`bare-${run}`, batch / parts)))
}

const perVm = (seconds: number[]): number => seconds.reduce((sum, one) => sum + one, 0) / batch

/** Ours beside the program alone. */
function figureOf(what: string, value: number, besideValue: number): Figure {
  return { what, value, unit: 's', beside: `${basename(tofu.file)} alone`, besideValue }
}

function figuresOf(count: number, { single, singleBare, many, manyBare }: Figures): Figure[] {
  const where = count === 0 ? 'no others there' : `${count} others there`
  return [
    figureOf(`vm create --apply, median of ${singles}, ${where}`, medianOf(single), medianOf(singleBare)),
    figureOf(`each of ${batch} VMs, ${parallel} at a time, ${where}`, perVm(many), perVm(manyBare)),
  ]
}

/** What the others cost. */
function growth(none: Figures, full: Figures): Figure[] {
  const compared = { unit: 's', beside: 'with no others there', goal: 'at most 1.2' }
  const what = `with ${there} VMs there`
  return [
    {
      what: `vm create --apply ${what}`,
      value: medianOf(full.single),
      besideValue: medianOf(none.single),
      ...compared,
    },
    {
      what: `each of ${batch} VMs ${what}`,
      value: perVm(full.many),
      besideValue: perVm(none.many),
      ...compared,
    },
  ]
}

/** Requests to Proxmox for each VM that is reserved, of one alone and of ten together. */
async function requestsPerVm(where: Site): Promise<Figure> {
  const alone = await requestsOf(where, named('asked-alone', 1))
  const together = (await requestsOf(where, named('asked', 10))) / 10
  return {
    what: 'requests for each of 10 VMs that are reserved',
    value: together,
    unit: 'requests',
    beside: 'one alone',
    besideValue: alone,
    goal: 'at most 2.5 requests',
  }
}

/** Counts by a fault that never strikes: it counts what it could have struck. */
async function requestsOf(where: Site, names: string[]): Promise<number> {
  await where.lab.faults.set([{ fault: 'connection-reset', after: 1_000_000 }])
  await create(where, names)
  const [requests] = await where.lab.faults.list()
  return requests!.seen
}

const places: { count: number; where: Site; figures: Figures }[] = []
try {
  for (const count of [0, there]) {
    const figures = { single: [], singleBare: [], many: [], manyBare: [] }
    places.push({ count, where: await prepare(count), figures })
  }
  for (let run = 0; run < singles; run++) {
    for (const { where, figures } of places) await measureSingle(where, figures, run)
  }
  for (let run = 0; run < parts; run++) {
    for (const { where, figures } of places) await measurePart(where, figures, run)
  }
  const [none, full] = places.map(({ figures }) => figures) as [Figures, Figures]
  const figures = places.flatMap(({ count, figures }) => figuresOf(count, figures))
  printFigures([await requestsPerVm(places[0]!.where), ...figures, ...growth(none, full)])
} finally {
  for (const { where } of places) await where.lab.close()
  await rm(folder, { recursive: true, force: true })
}
