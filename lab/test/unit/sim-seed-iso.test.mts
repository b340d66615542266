import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openIso } from '../../guests/sim/iso9660.mts'
import { translateSeed } from '../../guests/sim/seed.mts'

const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'seed-iso')

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'seed-iso-'))
})

afterAll(() => rm(folder, { recursive: true }))

async function unpacked(name: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, gunzipSync(await readFile(join(FIXTURES, `${name}.gz`))))
  return path
}

test.each(['joliet.iso', 'rock-ridge.iso'])('reads the files of %s by their real names', async name => {
  await using iso = await openIso(await unpacked(name))
  expect(iso?.label).toBe('cidata')
  expect((await iso!.read('meta-data'))?.toString()).toBe('instance-id: iso-1\nlocal-hostname: from-iso\n')
  expect(await iso!.read('vendor-data')).toBeUndefined()
})

test('a file that is no ISO image is none', async () => {
  const path = join(folder, 'text.iso')
  await writeFile(path, 'no image')
  expect(await openIso(path)).toBeUndefined()
})

test('a seed drive is known by its label', async () => {
  const cdrom = async (name: string) => [{ slot: 'ide3', path: await unpacked(name) }]
  const interfaces = [{ name: 'eth0', mac: 'bc:24:11:00:00:01' }]
  expect(await translateSeed(undefined, await cdrom('other-label.iso'), interfaces)).toBeUndefined()
  const seed = await translateSeed(undefined, await cdrom('joliet.iso'), interfaces)
  expect(seed?.plan).toContain('instance_id=iso-1\n')
})

test('the drive of the config comes before an attached ISO', async () => {
  const drive = { userData: '#cloud-config\n', metaData: 'instance-id: from-drive\n', networkConfig: '' }
  const seed = await translateSeed(drive, [{ slot: 'ide3', path: await unpacked('joliet.iso') }], [])
  expect(seed?.plan).toContain('instance_id=from-drive\n')
})
