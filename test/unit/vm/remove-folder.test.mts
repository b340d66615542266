import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, test, vi } from 'vitest'
import { entryMark } from '../../../scripts/lib/registry/identity.mts'
import { entryOfFolder, removeVmFolder } from '../../../scripts/lib/vm/stack/remove-folder.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const ours = '11111111-1111-4111-8111-111111111111'
const others = '22222222-2222-4222-8222-222222222222'
let vms: string

async function writeFolder(name: string, id: string, purpose = 'shop'): Promise<void> {
  await mkdir(join(vms, name), { recursive: true })
  const description = `${purpose}\nMade by proxmint. ${entryMark(id)}`
  await writeFile(join(vms, name, 'main.tf.json'), JSON.stringify({ description }))
}

beforeEach(async () => {
  const root = await temporaryFolder()
  vi.stubEnv('PROXMINT_CONFIG', join(root, 'config/proxmint.yaml'))
  vms = join(root, 'vms')
  await mkdir(vms)
})

test('the folder of the entry is removed, and nothing of it is left', async () => {
  await writeFolder('web-1', ours)
  await writeFolder('web-2', others)
  await removeVmFolder('web-1', ours, {})
  expect(await readdir(vms)).toEqual(['web-2'])
  await removeVmFolder('web-1', ours, {})
})

test('what a run left that died in between is removed, too', async () => {
  await writeFolder(`.removed-${ours}`, ours)
  await removeVmFolder('web-1', ours, {})
  expect(await readdir(vms)).toEqual([])
})

test('the folder of a VM that another run made anew stays', async () => {
  await writeFolder('web-1', others, `looks like ${entryMark(ours)}`)
  const failure = await failureOf(() => removeVmFolder('web-1', ours, {}))
  expect(failure).toMatchObject({
    message: 'another run made web-1 anew meanwhile; its folder stays',
    exitCode: 5,
  })
  expect(await entryOfFolder('web-1')).toBe(others)
  expect(await readdir(vms)).toEqual(['web-1'])
})

test('nothing is moved if the lock was lost', async () => {
  await writeFolder('web-1', ours)
  const requireHeld = () => Promise.reject(new Error('lost'))
  await expect(removeVmFolder('web-1', ours, { requireHeld })).rejects.toThrow('lost')
  expect(await readFile(join(vms, 'web-1/main.tf.json'), 'utf8')).toContain(ours)
  await rm(vms, { recursive: true })
})
