/**
 * Labs that begin with a base VM, or with a VM template too. The first file of a run that asks for one makes it; each
 * file gets a copy. What tests the import or the build itself begins with an empty lab.
 */
import { cp, mkdir, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lock } from 'proper-lockfile'
import { expect, inject } from 'vitest'
import type { Lab, LabOptions } from '../../lab/create.mts'
import { runAsLabRoot } from './isolated.mts'
import { createWorkspace, startLab, type Workspace } from './workspace.mts'

/** `base`: the base VM of debian. `template`: a VM template of it too, untested and current. */
export type Beginning = 'base' | 'template'

/** Those of the first workspace of a file, which thereby has the VM template in its range. */
const TEMPLATE_VMIDS: [number, number] = [9000, 9009]
const LOCKFILE = 'config/templates.lock.json'
const WAIT_SECONDS = 600

/**
 * Starts a lab on a copy of the state.
 * @param options without what an existing state has: cluster, version, users.
 */
export async function startLabWith(
  beginning: Beginning,
  options: Pick<LabOptions, 'chain' | 'timeScale' | 'staleSeconds' | 'images'> = {},
): Promise<Lab> {
  const golden = await requireGolden(beginning)
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-copy-'))
  const lab = await startCopy(golden, join(folder, 'state'), options)
  return { ...lab, close: () => lab.close().then(() => runAsLabRoot(['rm', '-rf', folder])) }
}

/** Tells the workspace of the VM template that a lab which began with `template` holds. */
export async function takeTemplate({ folder }: Workspace): Promise<void> {
  await cp(join(await requireGolden('template'), 'templates.lock.json'), join(folder, LOCKFILE))
}

async function startCopy(golden: string, state: string, options: LabOptions = {}): Promise<Lab> {
  await copyState(join(golden, 'state'), state)
  return startLab({ ...options, stateFolder: state })
}

/** @returns the folder with `state` and, where there is a VM template, `templates.lock.json`. */
async function requireGolden(beginning: Beginning): Promise<string> {
  const folder = join(inject('goldenFolder'), beginning)
  const ready = join(folder, 'ready')
  await mkdir(inject('goldenFolder'), { recursive: true })
  const release = await lock(folder, {
    realpath: false,
    retries: { retries: WAIT_SECONDS * 2, minTimeout: 500, maxTimeout: 500 },
  })
  try {
    if (await exists(ready)) return folder
    await runAsLabRoot(['rm', '-rf', folder])
    await mkdir(folder)
    await make(beginning, folder)
    await writeFile(ready, '')
    return folder
  } finally {
    await release()
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

async function make(beginning: Beginning, folder: string): Promise<void> {
  const state = join(folder, 'state')
  await using stack = new AsyncDisposableStack()
  const lab =
    beginning === 'base'
      ? await startLab({ stateFolder: state })
      : await startCopy(await requireGolden('base'), state)
  stack.defer(() => lab.close())
  const workspace = stack.use(await createWorkspace(lab, TEMPLATE_VMIDS))
  if (beginning === 'base') {
    await succeed(workspace, 'base', 'import', 'debian')
    return
  }
  await succeed(workspace, 'build', 'debian', '--no-test')
  await succeed(workspace, 'templates', 'promote', 'debian', '--untested')
  await cp(join(workspace.folder, LOCKFILE), join(folder, 'templates.lock.json'))
}

async function succeed(workspace: Workspace, name: string, ...args: string[]): Promise<void> {
  const { code, stderr } = await workspace.zx(name, args)
  expect(code, `${name}: ${stderr}`).toBe(0)
}

/**
 * Hard links are safe for what no lab writes in place: the root file systems, since neither base VMs nor VM templates
 * start, and images, which are replaced whole.
 */
const COPY = `
cp -al "$1" "$2"
find "$2" \\( -name root -o -name import \\) -prune -o -type f -print | while read -r file; do
  cp -p "$file" "$file.own"
  mv "$file.own" "$file"
done
`

async function copyState(from: string, to: string): Promise<void> {
  await runAsLabRoot(['sh', '-euc', COPY, 'copy', from, to])
  const file = join(to, 'pve/state.json')
  await writeFile(file, (await readFile(file, 'utf8')).replaceAll(from, to))
}
