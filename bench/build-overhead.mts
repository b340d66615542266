/**
 * How long `build debian` takes beside the raw `packer build` of the same template with the same variables
 * on the same lab, in turn, in one run, without the
 * acceptance test, which `packer build` has nothing to compare with.
 * Run: `node bench/build-overhead.mts [RUNS]` after `make setup`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createLab } from '../lab/create.mts'
import { checkedCredentials } from '../scripts/lib/credentials/credentials.mts'
import { environmentSource } from '../scripts/lib/credentials/source.mts'
import { writePackagedCopy } from '../scripts/lib/packer/packaged-copy.mts'
import { planBuild } from '../scripts/lib/packer/plan.mts'
import { loadTemplate } from '../scripts/lib/packer/template.mts'
import { tokenClient } from '../scripts/lib/proxmox/client.mts'
import { deleteVm } from '../scripts/lib/proxmox/delete-vm.mts'
import { waitForTask } from '../scripts/lib/proxmox/task.mts'
import { requireTool } from '../scripts/lib/tools/find.mts'
import { printFigures } from './figures.mts'
import { medianOf } from './median.mts'

const runs = Number(process.argv[2] ?? 3)
const repository = resolve(import.meta.dirname, '..')
const folder = await mkdtemp(join(tmpdir(), 'proxmint-bench-'))
const lab = await createLab({ timeScale: 0 })
const config = join(folder, 'proxmint.yaml')
await writeFile(
  config,
  `images:\n  debian-12:\n    url: ${lab.imagesUrl}/debian-12-genericcloud-amd64.qcow2\n    checksums_url: ${lab.imagesUrl}/SHA512SUMS\n`,
)
const { credentials } = checkedCredentials(environmentSource(lab.tokenEnv))
const client = tokenClient(credentials, credentials)
const own = { ...lab.tokenEnv, PROXMINT_CONFIG: config, PROXMINT_STATE_DIR: join(folder, 'state') }

/** @returns seconds. */
async function timed(argv: string[], cwd: string, env: NodeJS.ProcessEnv): Promise<number> {
  const start = performance.now()
  const { code, stdout, stderr } = await lab.exec(argv, { cwd, env })
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${stdout}${stderr}`)
  return (performance.now() - start) / 1000
}

async function remove(vmid: number): Promise<void> {
  await waitForTask(client, await deleteVm(client, { node: 'pve', vmid }), { timeoutMs: 60_000 })
}

const zx = (name: string, ...args: string[]): Promise<number> =>
  timed(['zx', join(repository, `scripts/${name}.mts`), ...args], repository, own)

/** The command `build` itself would run, without what it does around it. */
async function rawPacker(vmid: number): Promise<number> {
  const packer = await requireTool('packer')
  const dialect = packer.dialect ?? 'modern'
  const template = await loadTemplate('debian', join(repository, 'packer'))
  const copy = join(folder, 'raw')
  const translated = dialect === 'packaged' ? await writePackagedCopy(template, copy) : undefined
  const variables = { template_vmid: String(vmid), template_name: 'raw', manifest: join(folder, 'raw.json') }
  const cwd = translated?.folder ?? template.folder
  const plan = planBuild({ packer, dialect, credentials, folder: cwd, variables }).build
  return timed([plan.file, ...plan.args], cwd, { ...plan.env })
}

try {
  await zx('base', 'import', 'debian')
  const withUs: number[] = []
  const raw: number[] = []
  for (let i = 0; i < runs; i++) {
    withUs.push(await zx('build', 'debian', '--no-test'))
    await remove(9000)
    raw.push(await rawPacker(9001))
    await remove(9001)
  }
  const [ours, packer] = [medianOf(withUs), medianOf(raw)]
  printFigures([
    {
      what: `build debian --no-test, median of ${runs}`,
      value: ours,
      unit: 's',
      beside: 'packer build of the same template',
      besideValue: packer,
      goal: 'at most 1.5 s more',
    },
  ])
} finally {
  await lab.close()
  await rm(folder, { recursive: true, force: true })
}
