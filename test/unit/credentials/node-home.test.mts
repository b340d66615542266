import { mkdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { knownHosts } from '../../../scripts/lib/credentials/host-key.mts'
import { openNodeHome } from '../../../scripts/lib/credentials/node-home.mts'
import { temporaryFolder } from '../temporary.mts'

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('the home of OpenTofu', () => {
  test('without a pinned key it is the real one', async () => {
    await using home = await openNodeHome(undefined)
    expect(home.env).toEqual({})
  })

  test('with one it knows that key alone, and has everything else of the real one', async () => {
    const real = await temporaryFolder()
    vi.stubEnv('HOME', real)
    await mkdir(join(real, '.aws'))
    await mkdir(join(real, '.ssh'))
    await writeFile(join(real, '.ssh/known_hosts'), 'pve ssh-ed25519 OTHER\n')
    await writeFile(join(real, '.ssh/id_ed25519'), 'KEY\n')
    let folder: string
    {
      await using home = await openNodeHome('ssh-ed25519 AAAA root@pve')
      folder = home.env['HOME']!
      expect(await readFile(join(folder, '.ssh/known_hosts'), 'utf8')).toBe('* ssh-ed25519 AAAA\n')
      expect(await readlink(join(folder, '.aws'))).toBe(join(real, '.aws'))
      expect(await readFile(join(folder, '.ssh/id_ed25519'), 'utf8')).toBe('KEY\n')
    }
    await expect(stat(folder)).rejects.toThrow('ENOENT')
    expect(await readFile(join(real, '.ssh/known_hosts'), 'utf8')).toBe('pve ssh-ed25519 OTHER\n')
    expect(await readFile(join(real, '.ssh/id_ed25519'), 'utf8')).toBe('KEY\n')
  })
})

test('a key with an address is good for that node, one without for every node', () => {
  const pinned = '# two nodes\n192.0.2.10 ssh-ed25519 AAAA comment\n\nssh-rsa BBBB==\n'
  expect(knownHosts(pinned)).toBe('192.0.2.10 ssh-ed25519 AAAA\n* ssh-rsa BBBB==\n')
})
