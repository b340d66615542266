/** How often one command reads a file and asks Proxmox, counted in the command's own process. */
import { cp, readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { startLabWith } from './golden.mts'
import { createVmWorkspace, type VmWorkspace } from './vm-workspace.mts'
import { repository } from './workspace.mts'

const configs = ['db.yaml', 'vm.yaml', 'terraform.yaml', 'registry.yaml', 'web3-defaults.yaml']
let lab: Lab
let vms: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('template')
  vms = await createVmWorkspace(lab)
  const { folder } = vms.workspace
  for (const name of configs) await cp(join(repository, 'config', name), join(folder, 'config', name))
})
afterAll(async () => {
  await vms?.[Symbol.asyncDispose]()
  await lab?.close()
})

/** Lines of `read PATH` and `METHOD PATH`, in the order in which one command did them. */
async function asksOf(name: string, ...args: string[]): Promise<string[]> {
  const file = join(vms.workspace.folder, 'asks')
  await rm(file, { force: true })
  const { code, stderr } = await vms.run(name, args, {
    NODE_OPTIONS: `--import=${join(repository, 'test/e2e/count-asks.mjs')}`,
    PROXMINT_TEST_ASKS: file,
  })
  expect(code, stderr).toBe(0)
  return (await readFile(file, 'utf8')).trimEnd().split('\n')
}

const isConfig = (line: string): boolean => /^read (.*\/)?(config|cloud-init)\/.*\.(yaml|json)$/.test(line)
const isQuestion = (line: string): boolean => line.startsWith('GET ')

/** The lines that are there more than once. */
function repeated(lines: string[]): string[] {
  return [...new Set(lines.filter((line, index) => lines.indexOf(line) !== index))]
}

test('vm create --apply reads each config file once', async () => {
  const asks = await asksOf('vm', 'create', 'web-1', '--apply')
  const files = asks.filter(isConfig)
  const names = files.map(line => basename(line))
  expect(names).toEqual(expect.arrayContaining([...configs, 'proxmint.yaml', 'templates.lock.json']))
  expect(names).toContain('devbox.yaml')
  // A version may have been revoked since the reservation.
  const [lockfile, ...others] = repeated(files)
  expect(basename(lockfile!)).toBe('templates.lock.json')
  expect(others).toEqual([])
  expect(files.filter(line => line === lockfile)).toHaveLength(2)
})

test('before a reservation Proxmox is asked each question once', async () => {
  const questions = (await asksOf('vm', 'create', 'web-2')).filter(isQuestion)
  expect(questions.length).toBeGreaterThan(5)
  expect(repeated(questions)).toEqual([])
})

test('ten VMs are reserved with at most 25 requests', async () => {
  const names = Array.from({ length: 10 }, (_, index) => `fleet-${index}`)
  const asks = await asksOf('vm', 'create', ...names)
  expect(repeated(asks.filter(isConfig))).toEqual([])
  const requests = asks.filter(line => !line.startsWith('read '))
  expect(requests.length, requests.join('\n')).toBeLessThanOrEqual(25)
  expect(requests.filter(line => line.includes('/cluster/nextid'))).toHaveLength(10)
})
