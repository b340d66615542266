import { readdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '../../..')

test('only functions that leave out what is stale ask for /cluster/resources', async () => {
  const files = await readdir(join(root, 'scripts'), { recursive: true })
  const asking: string[] = []
  for (const file of files.filter(name => name.endsWith('.mts'))) {
    const text = await readFile(join(root, 'scripts', file), 'utf8')
    if (/'\/cluster\/resources/.test(text)) asking.push(file)
  }
  expect(asking.sort()).toEqual(['lib/proxmox/list-nodes.mts', 'lib/proxmox/list-vms.mts'])
})
