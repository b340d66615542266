import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { installEntry, type NewEntry, readEntry } from '../../../scripts/lib/tools/cache.mts'
import { bareMachine } from './fakes.mts'

const { signal } = new AbortController()
const entry = (fill: NewEntry['fill']): NewEntry => ({ tool: 'sops', version: '3.13.3', origin: 'go', fill })
const write = (folder: string): Promise<void> => writeFile(join(folder, 'sops'), 'program')

test('a finished entry is read back', async () => {
  const machine = await bareMachine()
  await installEntry(entry(write), signal)
  expect(await readEntry('sops', '3.13.3')).toEqual({
    folder: join(machine.cache, 'sops', '3.13.3'),
    version: '3.13.3',
    origin: 'go',
    files: { sops: 7 },
  })
})

test('an installation that fails leaves nothing', async () => {
  const machine = await bareMachine()
  const fill = async (folder: string): Promise<void> => {
    await write(folder)
    throw new Error('no space left')
  }
  await expect(installEntry(entry(fill), signal)).rejects.toThrow('no space left')
  expect(await readdir(join(machine.cache, 'sops'))).toEqual([])
})

test('what a killed set-up left is removed and replaced', async () => {
  const machine = await bareMachine()
  const folder = join(machine.cache, 'sops')
  await mkdir(join(folder, '.3.13.3.partial-abc'), { recursive: true })
  await mkdir(join(folder, '3.13.3'))
  await write(join(folder, '3.13.3'))
  expect(await readEntry('sops', '3.13.3')).toBeUndefined()
  await installEntry(entry(write), signal)
  expect(await readEntry('sops', '3.13.3')).toBeDefined()
  expect((await readdir(folder)).filter(name => name.includes('partial'))).toEqual([])
})

test('an entry with a truncated file does not count, and is installed anew', async () => {
  await bareMachine()
  const { folder } = await installEntry(entry(write), signal)
  await writeFile(join(folder, 'sops'), 'prog')
  expect(await readEntry('sops', '3.13.3')).toBeUndefined()
  await installEntry(entry(write), signal)
  expect(await readEntry('sops', '3.13.3')).toBeDefined()
})

test('of two at once one installs and the other uses it', async () => {
  await bareMachine()
  let installations = 0
  const slow = async (folder: string): Promise<void> => {
    installations++
    await new Promise(resolve => setTimeout(resolve, 300))
    await write(folder)
  }
  const both = await Promise.all([installEntry(entry(slow), signal), installEntry(entry(slow), signal)])
  expect(installations).toBe(1)
  expect(both[0]).toEqual(both[1])
})
