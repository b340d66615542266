import { execFileSync, spawnSync } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { baseBootIso } from '../../../scripts/lib/cloud-init/base-boot.mts'
import { isoImage } from '../../../scripts/lib/cloud-init/iso9660.mts'
import { temporaryFolder } from '../temporary.mts'

const sector = 2048

const files = {
  'user-data': '#cloud-config\n# ü and 漢\n',
  'meta-data': 'instance-id: one\n',
  'network-config': `${'x'.repeat(sector)}`,
  'vendor-data': `${'y'.repeat(sector + 1)}`,
  empty: '',
}

/** A root folder, read by the layout of ECMA-119 alone: name, first sector and length of each file. */
function entries(image: Buffer, descriptor: number): { name: string; start: number; length: number }[] {
  const found: { name: string; start: number; length: number }[] = []
  const root = image.readUInt32LE(descriptor * sector + 156 + 2) * sector
  for (let at = root; image[at] !== 0; at += image[at]!) {
    const name = Buffer.from(image.subarray(at + 33, at + 33 + image[at + 32]!))
    // A single byte names the folder itself and the one above.
    if (name.length === 1) continue
    found.push({
      name: descriptor === 17 ? name.swap16().toString('utf16le') : name.toString('latin1'),
      start: image.readUInt32LE(at + 2),
      length: image.readUInt32LE(at + 10),
    })
  }
  return found
}

describe('the image by its own bytes', () => {
  const image = Buffer.from(isoImage('cidata', files))

  test('is whole sectors, as both descriptors say in both byte orders', () => {
    expect(image.length % sector).toBe(0)
    for (const at of [16, 17].map(number => number * sector + 80)) {
      expect([image.readUInt32LE(at), image.readUInt32BE(at + 4)]).toEqual(
        Array(2).fill(image.length / sector),
      )
    }
  })

  test('has a primary descriptor, one of Joliet, and a terminator', () => {
    const head = (number: number) => image.subarray(number * sector, number * sector + 7).toString('latin1')
    expect([16, 17, 18].map(head)).toEqual(['\x01CD001\x01', '\x02CD001\x01', '\xffCD001\x01'])
    expect(image.subarray(17 * sector + 88, 17 * sector + 91).toString('latin1')).toBe('%/E')
  })

  test('carries its label in both encodings', () => {
    const label = (number: number) => Buffer.from(image.subarray(number * sector + 40, number * sector + 72))
    expect(label(16).toString('latin1')).toBe('cidata'.padEnd(32))
    expect(label(17).swap16().toString('utf16le')).toBe('cidata'.padEnd(16))
  })

  test.each([
    [
      'Joliet: real names',
      17,
      ['empty;1', 'meta-data;1', 'network-config;1', 'user-data;1', 'vendor-data;1'],
    ],
    ['without: short ones', 16, ['EMPTY.;1', 'METADATA.;1', 'NETWORKC.;1', 'USERDATA.;1', 'VENDORDA.;1']],
  ])('names the files, in order; %s', (_, descriptor, names) => {
    expect(entries(image, descriptor).map(entry => entry.name)).toEqual(names)
  })

  test.each([16, 17])('holds what was put in, by descriptor %i', descriptor => {
    const contents = entries(image, descriptor).map(({ start, length }) =>
      image.subarray(start * sector, start * sector + length).toString('utf8'),
    )
    const sorted = Object.entries(files).sort(([a], [b]) => (a < b ? -1 : 1))
    expect(contents).toEqual(sorted.map(([, content]) => content))
  })

  test('no file shares a sector with another', () => {
    const starts = entries(image, 17).map(entry => entry.start)
    expect(new Set(starts).size).toBe(starts.length)
  })

  test('is the same each time', () => {
    expect(Buffer.from(isoImage('cidata', files)).equals(image)).toBe(true)
  })
})

test('more files than one folder sector has room for', () => {
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`file-${i}`, '']))
  expect(() => isoImage('cidata', many)).toThrow(new RangeError('40 files do not fit one folder sector'))
})

const has = (program: string, argument: string) => spawnSync(program, [argument]).error === undefined

describe('the image as other programs read it', () => {
  const written = async () => {
    const folder = await temporaryFolder()
    await writeFile(join(folder, 'seed.iso'), isoImage('cidata', files))
    return folder
  }

  test.skipIf(!has('bsdtar', '--version'))('libarchive (where bsdtar is installed)', async () => {
    const folder = await written()
    execFileSync('bsdtar', ['-xf', 'seed.iso'], { cwd: folder })
    expect((await readdir(folder)).sort()).toEqual([...Object.keys(files), 'seed.iso'].sort())
    for (const [name, content] of Object.entries(files)) {
      expect(await readFile(join(folder, name), 'utf8')).toBe(content)
    }
  })

  test.skipIf(!has('isoinfo', '--version'))('cdrkit (where isoinfo is installed)', async () => {
    const cwd = await written()
    const ask = (...words: string[]) =>
      execFileSync('isoinfo', ['-i', 'seed.iso', ...words], { cwd, encoding: 'utf8' })
    expect(ask('-d')).toMatch(/^Volume id: cidata$/m)
    expect(ask('-d')).toContain('Joliet with UCS level 3 found')
    expect(ask('-J', '-f').replaceAll(';1', '').trim().split('\n').sort()).toEqual(
      Object.keys(files)
        .map(name => `/${name}`)
        .sort(),
    )
    expect(ask('-J', '-x', '/user-data;1')).toBe(files['user-data'])
  })
})

describe('the first boot of a base VM', () => {
  const content = (name: string, upgrade = false) => {
    const image = Buffer.from(baseBootIso('proxmint-base-debian-12', upgrade))
    const entry = entries(image, 17).find(candidate => candidate.name === `${name};1`)!
    return image.subarray(entry.start * sector, entry.start * sector + entry.length).toString('utf8')
  }

  test('is a new instance of its own name', () => {
    expect(parse(content('meta-data'))).toEqual({
      'instance-id': 'proxmint-base-debian-12',
      'local-hostname': 'proxmint-base-debian-12',
    })
  })

  test('installs the agent, makes no user, and powers off only with the agent there', () => {
    expect(content('user-data')).toMatch(/^#cloud-config\n/)
    expect(parse(content('user-data'))).toMatchObject({
      users: [],
      package_upgrade: false,
      packages: ['qemu-guest-agent'],
      power_state: { mode: 'poweroff', condition: 'test -x /usr/sbin/qemu-ga' },
    })
  })

  test('of a rolling release brings everything up to date', () => {
    expect(parse(content('user-data', true))).toMatchObject({ package_update: true, package_upgrade: true })
  })
})
