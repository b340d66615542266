/** What each family will ask of Proxmox, as it can be told before Packer runs. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../scripts/lib/config/load.mts'
import { type BuildTarget, buildTarget } from '../../../scripts/lib/packer/build-target.mts'
import { loadFamily } from '../../../scripts/lib/packer/family.mts'
import { listFamilies, loadTemplate } from '../../../scripts/lib/packer/template.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const env = { PROXMOX_STORAGE_POOL: 'tank' }
const families = await listFamilies()

const targetOf = async (os: string, variables: Record<string, string> = {}): Promise<BuildTarget> =>
  buildTarget(await loadTemplate(os), { variables, env })

describe('the base VM', () => {
  test.each<[string, Record<string, string>, string | undefined]>([
    ['debian', {}, 'debian-12'],
    ['debian', { debian_release: '13' }, 'debian-13'],
    ['ubuntu', {}, 'ubuntu-26.04'],
    ['ubuntu', { ubuntu_release: '24.04' }, 'ubuntu-24.04'],
    ['arch', {}, 'arch'],
    ['nixos', {}, 'nixos'],
    ['talos', {}, 'talos'],
    ['debian-web3', {}, 'debian-12-web3'],
    ['windows', {}, undefined],
  ])('of %s with %j', async (os, variables, image) => {
    const { baseName, medium } = await targetOf(os, variables)
    expect(baseName).toBe(image && `proxmint-base-${image}`)
    expect(medium === undefined).toBe(image !== undefined)
  })

  test.each(families)('of %s is one the config can import', async os => {
    const { baseName } = await targetOf(os)
    const images = Object.keys((await loadConfig({})).images).map(image => `proxmint-base-${image}`)
    if (os === 'windows') expect(baseName).toBeUndefined()
    else expect(images).toContain(baseName)
  })
})

test.each(families)('%s: storage and bridge are those of the credentials and the config', async os => {
  const { diskStorages, bridge } = await targetOf(os, { bridge: 'vmbr7' })
  expect({ diskStorages, bridge }).toEqual({ diskStorages: ['tank'], bridge: 'vmbr7' })
})

describe('the firmware that a source names', () => {
  test('of windows is what its family says, and its disks are counted', async () => {
    const [{ firmware, diskStorages }, family] = [await targetOf('windows'), await loadFamily('windows')]
    expect(firmware).toEqual({ machine: 'q35', kind: 'uefi', secureBoot: true, tpm: true })
    expect(family.firmware).toEqual({ kind: 'uefi', secureBoot: true, tpm: true })
    expect(diskStorages).toEqual(['tank'])
  })

  test.each(families.filter(os => os !== 'windows'))(
    'of %s is none: it has that of its base VM',
    async os => {
      expect((await targetOf(os)).firmware).toEqual({ machine: undefined })
    },
  )
})

test('who has the agent asked', async () => {
  const asked = await Promise.all(families.map(async os => [os, (await targetOf(os)).usesAgent] as const))
  expect(asked.filter(([, usesAgent]) => !usesAgent).map(([os]) => os)).toEqual(['talos'])
})

test("the medium of windows: a user's own", async () => {
  const variables = {
    windows_iso_url: 'https://files.example.net/windows.iso',
    windows_iso_checksum: 'sha256:abcd',
    iso_storage: 'nas',
  }
  expect((await targetOf('windows', variables)).medium).toEqual({
    url: 'https://files.example.net/windows.iso',
    checksum: 'sha256:abcd',
    storage: 'nas',
  })
})

test('a medium that only Packer can tell', async () => {
  const root = await temporaryFolder()
  await mkdir(join(root, 'x'))
  await writeFile(
    join(root, 'x', 'x.pkr.hcl'),
    'source "proxmox-iso" "x" {\n  boot_iso {\n    iso_url = data.url\n  }\n}\n',
  )
  const template = await loadTemplate('x', root)
  expect(await failureOf(async () => buildTarget(template, { env }))).toEqual({
    message: `${root}/x/x.pkr.hcl:1: iso_url, iso_checksum or iso_storage_pool of \`boot_iso\` is not known before the build`,
    hint: 'use only text, and variables and locals whose values are known before the build',
    exitCode: 3,
    facts: {},
  })
})
