/** Commands of the node without namespaces: what they need is put beside the storages, and removed at the end. */

import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { confine } from '../node-ssh/confinement.mts'

/** Folders of storages with these names, each with a file. */
async function storagesNamed(...names: string[]): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'proxmint-storages-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  for (const name of names) {
    await mkdir(join(root, name))
    if (name !== 'etc') await writeFile(join(root, name, 'own'), name)
  }
  return root
}

test('storages may have the names of folders that commands need', async () => {
  const storagesFolder = await storagesNamed('local', 'usr', 'bin', 'etc', 'dev')
  const mounts = () => [
    { at: '/etc/deep/local', folder: join(storagesFolder, 'local') },
    ...['usr', 'bin', 'etc', 'dev'].map(name => ({
      at: `/var/lib/${name}`,
      folder: join(storagesFolder, name),
    })),
  ]
  const place = { storagesFolder, runFolder: storagesFolder, mounts, commands: {} }
  const confinement = await confine('loopback', place)
  const [file, ...args] = confinement.argv('cat /etc/deep/local/own') as [string, ...string[]]
  expect((await promisify(execFile)(file, args)).stdout).toBe('local')
  await confinement.end()
  expect((await readdir(storagesFolder)).sort()).toEqual(['bin', 'dev', 'etc', 'local', 'usr'])
  for (const name of ['local', 'usr', 'bin', 'dev']) {
    expect(await readdir(join(storagesFolder, name)), name).toEqual(['own'])
    expect(await readFile(join(storagesFolder, name, 'own'), 'utf8')).toBe(name)
  }
  expect(await readdir(join(storagesFolder, 'etc'))).toEqual([])
})
