import { readdir, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../scripts/lib/config/load.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const invalid = 'test/fixtures/invalid/config'
const valid = 'test/fixtures/valid/config'

const load = (file: string, env: NodeJS.ProcessEnv = {}) => loadConfig({ PROXMINT_CONFIG: file, ...env })

const defaults = {
  site: 'home',
  bridge: 'vmbr0',
  imageStorage: 'local',
  templateVmidRange: [9000, 9899],
  baseVmidRange: [9900, 9999],
  taskTimeoutSeconds: 600,
  buildsPerNode: 4,
  buildsPerStorage: 4,
  firstBootTimeoutSeconds: 900,
  testBootTimeoutSeconds: 300,
  agentTimeoutSeconds: 300,
  images: {},
}

describe('what is accepted', () => {
  test('an empty file: the defaults', async () => {
    const stateDir = resolve('test/fixtures/valid/.proxmint')
    expect(await load(join(valid, 'empty.yaml'))).toEqual({ ...defaults, stateDir })
  })

  test("the repository's own file writes down the defaults", async () => {
    const { images, ...config } = await loadConfig({})
    expect({ ...config, images: {} }).toEqual({ ...defaults, stateDir: resolve('.proxmint') })
    expect(Object.keys(images)).toEqual([
      'debian-12',
      'debian-13',
      'debian-12-web3',
      'ubuntu-24.04',
      'ubuntu-26.04',
      'arch',
      'nixos',
      'talos',
    ])
    expect(images['nixos']).toEqual({ file: resolve('packer/nixos/result/nixos.qcow2'), firstBoot: 'none' })
  })

  test('every key, each up to its limit', async () => {
    expect(await load(join(valid, 'every-key.yaml'))).toEqual({
      site: 'lab-2',
      bridge: 'vmbr1',
      imageStorage: 'images',
      templateVmidRange: [100, 199],
      baseVmidRange: [999999999, 999999999],
      taskTimeoutSeconds: 86400,
      buildsPerNode: 100,
      buildsPerStorage: 1,
      firstBootTimeoutSeconds: 86400,
      buildBootTimeoutSeconds: 86400,
      testBootTimeoutSeconds: 3600,
      agentTimeoutSeconds: 3600,
      testAddress: '192.168.1.250/24,gw=192.168.1.1',
      stateDir: resolve('test/fixtures/state'),
      images: {
        'debian-12': {
          url: 'https://images.example.net/debian-12.qcow2',
          checksumsUrl: 'http://images.example.net/SHA512SUMS',
          firstBoot: 'agent',
        },
        'ubuntu-24.04': {
          url: 'https://images.example.net/ubuntu-24.04.img',
          checksumsUrl: 'https://images.example.net/SHA256SUMS',
          firstBoot: 'upgrade',
          firmware: { kind: 'uefi', secureBoot: true, tpm: true },
        },
        nixos: {
          file: resolve('test/fixtures/valid/nixos.qcow2'),
          checksum: `sha256:${'ab'.repeat(32)}`,
          firstBoot: 'none',
        },
      },
    })
  })

  test.each([
    ['an absolute state folder', '/var/lib/proxmint', '/var/lib/proxmint'],
    ['a relative one, from where the command runs', 'state', resolve('state')],
  ])('the environment wins: %s', async (_, given, stateDir) => {
    const config = await load(join(valid, 'every-key.yaml'), { PROXMINT_STATE_DIR: given })
    expect(config.stateDir).toBe(stateDir)
  })
})

/** One file per rule, with the one line its failure says. */
const faults: Record<string, string> = {
  'unknown-key': 'line 2: brigde is not a known key; did you mean bridge?',
  'unknown-key-far': 'line 1: colour is not a known key',
  'unknown-image-key':
    'line 5: images.debian-12.checksum_url is not a known key; did you mean checksums_url?',
  'site-type': 'line 1: site must be string, not 5',
  'site-pattern': 'line 1: site must match pattern "^[a-z0-9][a-z0-9-]{0,30}$", not "My Home"',
  'bridge-type': 'line 1: bridge must be string',
  'bridge-empty': 'line 1: bridge must NOT have fewer than 1 characters, not ""',
  'image-storage-type': 'line 1: image_storage must be string, not true',
  'image-storage-empty': 'line 1: image_storage must NOT have fewer than 1 characters, not ""',
  'template-range-type': 'line 2: template_vmid_range must be array, not "9000-9899"',
  'template-range-short': 'line 1: template_vmid_range must NOT have fewer than 2 items',
  'template-range-long': 'line 1: template_vmid_range must NOT have more than 2 items',
  'template-range-text': 'line 3: template_vmid_range.1 must be integer, not "9899"',
  'template-range-low': 'line 1: template_vmid_range.0 must be >= 100, not 99',
  'template-range-high': 'line 1: template_vmid_range.1 must be <= 999999999, not 1000000000',
  'template-range-reversed': 'line 2: template_vmid_range must begin with the smaller VMID: [9000, 9899]',
  'base-range-short': 'line 1: base_vmid_range must NOT have fewer than 2 items',
  'base-range-reversed': 'line 1: base_vmid_range must begin with the smaller VMID: [9900, 9999]',
  'timeout-type': 'line 1: task_timeout_seconds must be integer, not "600"',
  'timeout-fraction': 'line 1: task_timeout_seconds must be integer, not 10.5',
  'timeout-low': 'line 1: task_timeout_seconds must be >= 10, not 9',
  'timeout-high': 'line 1: task_timeout_seconds must be <= 86400, not 86401',
  'builds-per-node-type': 'line 1: builds_per_node must be integer, not "many"',
  'builds-per-node-low': 'line 1: builds_per_node must be >= 1, not 0',
  'builds-per-node-high': 'line 1: builds_per_node must be <= 100, not 101',
  'builds-per-storage-fraction': 'line 1: builds_per_storage must be integer, not 1.5',
  'builds-per-storage-low': 'line 1: builds_per_storage must be >= 1, not 0',
  'builds-per-storage-high': 'line 1: builds_per_storage must be <= 100, not 101',
  'test-boot-timeout-type': 'line 1: test_boot_timeout_seconds must be integer, not "5m"',
  'test-boot-timeout-low': 'line 1: test_boot_timeout_seconds must be >= 5, not 4',
  'test-boot-timeout-high': 'line 1: test_boot_timeout_seconds must be <= 3600, not 3601',
  'first-boot-timeout-type': 'line 2: first_boot_timeout_seconds must be integer, not "15m"',
  'first-boot-timeout-low': 'line 1: first_boot_timeout_seconds must be >= 5, not 0',
  'build-boot-timeout-high': 'line 1: build_boot_timeout_seconds must be <= 86400, not 86401',
  'agent-timeout-key': 'line 1: agent_timeout_second is not a known key; did you mean agent_timeout_seconds?',
  'agent-timeout-high': 'line 1: agent_timeout_seconds must be <= 3600, not 3601',
  'test-address-pattern':
    'line 1: test_address must match pattern "^\\d+(\\.\\d+){3}/\\d+(,gw=\\d+(\\.\\d+){3})?$", not "192.168.1.250"',
  'state-dir-type': 'line 1: state_dir must be string, not null',
  'state-dir-empty': 'line 1: state_dir must NOT have fewer than 1 characters, not ""',
  'images-type': 'line 1: images must be object',
  'image-name': 'line 2: the name images.Debian_12 must match pattern "^[a-z0-9]+(-[a-z0-9.]+)*$"',
  'image-type': 'line 2: images.debian-12 must be object, not "https://images.example.net/debian-12.qcow2"',
  'image-without-url': 'line 2: images.debian-12 must have either a url or a file',
  'image-twice': 'line 2: images.debian-12 must have either a url or a file',
  'image-checksum-twice': 'line 2: images.debian-12 must have either a checksum or a checksums_url',
  'image-checksum-short':
    'line 4: images.debian-12.checksum must match pattern "^(sha256:[0-9a-fA-F]{64}|sha512:[0-9a-fA-F]{128})$", not "sha512:abcd"',
  'image-first-boot': 'line 4: images.debian-12.first_boot must be one of agent, upgrade, none, not never',
  'image-firmware':
    'line 4: images.debian-12.firmware must be one of bios, uefi, not efi; did you mean uefi?',
  'image-secure-boot': 'line 5: images.debian-12.secure_boot needs firmware: uefi',
  'image-url-type': 'line 3: images.debian-12.url must be string, not 12',
  'image-url-scheme':
    'line 3: images.debian-12.url must match pattern "^https?://", not "ftp://images.example.net/debian-12.qcow2"',
  'checksums-url-type': 'line 4: images.debian-12.checksums_url must be string',
  'checksums-url-scheme':
    'line 4: images.debian-12.checksums_url must match pattern "^https?://", not "/srv/SHA512SUMS"',
  'no-mapping': 'line 1: the file must be object',
  'syntax-error': 'line 4: Missing closing "quote',
  'nested-mapping': 'line 2: Nested mappings are not allowed in compact mappings',
  'key-twice': 'line 2: the key site is there twice; the first one is in line 1',
}

const hint = 'config/proxmint.yaml in the repository explains every key and its default'

describe('what is refused', () => {
  test.each(Object.entries(faults))('%s', async (name, fault) => {
    const file = join(invalid, `${name}.yaml`)
    expect(await failureOf(() => load(file))).toEqual({
      message: `${file} is invalid:\n  - ${fault}`,
      hint,
      exitCode: 3,
      facts: {},
    })
  })

  test('several faults at once, all of them', async () => {
    const file = join(invalid, 'several.yaml')
    expect((await failureOf(() => load(file))).message).toBe(
      [
        `${file} is invalid:`,
        '  - line 1: sight is not a known key',
        '  - line 2: task_timeout_seconds must be >= 10, not 1',
        '  - line 5: images.debian-12.URL is not a known key; did you mean url?',
      ].join('\n'),
    )
  })

  test('keys that are there twice, in a list and in JSON style', async () => {
    const file = join(await temporaryFolder(), 'proxmint.yaml')
    await writeFile(
      file,
      'site: home\nimages:\n  debian-12:\n    url: a\n    file: b\n    "url": c\n  x: { file: a,\n    file: b }\nsite: x\n',
    )
    expect((await failureOf(() => load(file))).message).toBe(
      [
        `${file} is invalid:`,
        '  - line 6: the key url is there twice; the first one is in line 4',
        '  - line 8: the key file is there twice; the first one is in line 7',
        '  - line 9: the key site is there twice; the first one is in line 1',
      ].join('\n'),
    )
  })

  test('no fixture is left out', async () => {
    const names = (await readdir(invalid)).map(file => file.replace('.yaml', ''))
    expect(names.sort()).toEqual([...Object.keys(faults), 'several'].sort())
  })

  test('a file that is not there', async () => {
    expect(await failureOf(() => load('/no/such/proxmint.yaml'))).toEqual({
      message: 'cannot read the config /no/such/proxmint.yaml: ENOENT',
      hint: "run from the project's root, or name the file in PROXMINT_CONFIG",
      exitCode: 3,
      facts: {},
    })
  })
})
