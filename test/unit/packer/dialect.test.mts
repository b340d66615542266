// biome-ignore-all lint/suspicious/noTemplateCurlyInString: HCL interpolates as JavaScript does.
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { translateForPackaged } from '../../../scripts/lib/packer/dialect.mts'
import { removeStaleCopies, writePackagedCopy } from '../../../scripts/lib/packer/packaged-copy.mts'
import { loadTemplate } from '../../../scripts/lib/packer/template.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const translate = (text: string) => translateForPackaged(text, 'packer/x/x.pkr.hcl')

/** A proxmox-clone source with these lines in it. */
const source = (...lines: string[]) =>
  `source "proxmox-clone" "x" {\n${lines.map(line => `  ${line}\n`).join('')}}\n`

test('required_plugins goes, the rest of its block stays', () => {
  const text =
    'packer {\n  required_version = ">= 1.6.6"\n  required_plugins {\n    proxmox = {\n      version = ">= 1.2.3"\n    }\n  }\n}\n'
  expect(translate(text)).toEqual({
    text: 'packer {\n  required_version = ">= 1.6.6"\n}\n',
    changes: ['dropped required_plugins (its builder is built in)'],
  })
})

describe('attributes that are dropped', () => {
  test.each([
    ['token = var.proxmox_token', 'dropped token (logs in with PROXMOX_PASSWORD instead)'],
    ['task_timeout = "10m"', 'dropped task_timeout (waits for tasks as long as it always does)'],
    ['tags = "debian;web"', 'dropped tags (proxmint sets them after the build)'],
    ['cloud_init_disk_type = "ide"', 'dropped cloud_init_disk_type (always uses ide)'],
    [
      'cloud_init_disable_upgrade_packages = false',
      'dropped cloud_init_disable_upgrade_packages (leaves ciupgrade as the base VM has it)',
    ],
  ])('%s', (line, change) => {
    expect(translate(source('node = "pve"', line, 'cores = 2'))).toEqual({
      text: source('node = "pve"', 'cores = 2'),
      changes: [change],
    })
  })

  test('within nested blocks too', () => {
    const text = source(
      'disks {',
      '  type = "scsi"',
      '  asyncio = "io_uring"',
      '  exclude_from_backup = false',
      '}',
    )
    expect(translate(text)).toEqual({
      text: source('disks {', '  type = "scsi"', '}'),
      changes: ['dropped asyncio (leaves the default)', 'dropped exclude_from_backup (backs every disk up)'],
    })
  })

  test("of a clone: the cloud-init drive, which the base VM's own takes the place of", () => {
    expect(translate(source('cloud_init = true', 'cloud_init_storage_pool = "tank"'))).toEqual({
      text: source(),
      changes: [
        "dropped cloud_init (keeps the base VM's cloud-init drive)",
        "dropped cloud_init_storage_pool (keeps the base VM's cloud-init drive)",
      ],
    })
  })

  test('of two sources: told once', () => {
    expect(translate(source('tags = "a"') + source('tags = "b"'))).toEqual({
      text: source() + source(),
      changes: ['dropped tags (proxmint sets them after the build)'],
    })
  })
})

describe('what stays, letter for letter', () => {
  test.each([
    ['a misspelt attribute', source('full_clon = true')],
    ['an attribute nobody knows', source('colour = "blue"')],
    ['a disk type that means another VM', source('cloud_init_disk_type = "scsi"')],
    ['a disk that is not backed up', source('disks {', '  exclude_from_backup = true', '}')],
    ['upgrades that are switched off', source('cloud_init_disable_upgrade_packages = true')],
    ['a cloud-init drive that must not be', source('cloud_init = false')],
    ['a disk type only Packer can tell', source('cloud_init_disk_type = var.type')],
    [
      'the cloud-init drive of a VM that is no clone',
      'source "proxmox-iso" "x" {\n  cloud_init = true\n  cloud_init_storage_pool = "tank"\n}\n',
    ],
    ['a token of another builder', 'source "amazon-ebs" "x" {\n  token = var.t\n  tags = { a = 1 }\n}\n'],
    ['a token outside a source', 'locals {\n  token = "x"\n  tags = "y"\n}\n'],
    ['a comment and a string that speak of it', source('# token = var.t', 'vm_name = "token = x"')],
    ['odd spacing, comments, a heredoc', '\n\n  locals{a=1 /* b */}// c\nx = <<EOT\n  token = 1\nEOT\n'],
    ['carriage returns', 'locals {\r\n  a = 1\r\n}\r\n'],
    ['a required_plugins that is no plugin block', 'locals {\n  required_plugins = 1\n}\n'],
  ])('%s', (_, text) => {
    expect(translate(text)).toEqual({ text, changes: [] })
  })
})

describe('only the attribute goes where something else stands on its line', () => {
  test.each([
    ['a comment', source('token = var.t # the secret'), source(' # the secret')],
    ['another block', 'source "proxmox-clone" "x" { tags = "a" }\n', 'source "proxmox-clone" "x" {  }\n'],
    ['the end of the text', 'packer {\n  required_plugins {}}', 'packer {\n  }'],
    [
      'a list over several lines: all of them',
      source('tags = join(";", [', '  "a",', '])', 'cores = 2'),
      source('cores = 2'),
    ],
  ])('%s', (_, text, expected) => {
    expect(translate(text).text).toBe(expected)
  })
})

test('a template in JSON', () => {
  const json = {
    packer: { required_version: '>= 1.6.6', required_plugins: { proxmox: {} } },
    source: {
      'proxmox-clone': {
        x: {
          token: '${var.t}',
          cloud_init: true,
          cloud_init_disk_type: 'scsi',
          cores: 2,
          disks: [{ asyncio: 'io_uring' }],
        },
      },
      docker: { x: { token: 'kept' } },
    },
    build: { sources: ['source.proxmox-clone.x'] },
  }
  const { text, changes } = translateForPackaged(JSON.stringify(json), 'x.pkr.json')
  expect(JSON.parse(text)).toEqual({
    packer: { required_version: '>= 1.6.6' },
    source: {
      'proxmox-clone': { x: { cloud_init_disk_type: 'scsi', cores: 2, disks: [{}] } },
      docker: { x: { token: 'kept' } },
    },
    build: json.build,
  })
  expect(changes.map(change => change.split(' ')[1])).toEqual([
    'required_plugins',
    'token',
    'cloud_init',
    'asyncio',
  ])
})

test('a text without structure is refused with its line', async () => {
  expect((await failureOf(() => translate('packer {\n  a = "x\n}\n'))).message).toBe(
    'packer/x/x.pkr.hcl:2: the string of line 2 is not closed',
  )
})

test('of the copies that killed runs left, those of other machines stay', async () => {
  const stateDir = await temporaryFolder()
  const folder = join(stateDir, 'packaged')
  const dead = 2 ** 22 + 1
  const others = [`not-${hostname()}-${dead}`, `${hostname()}-b-${dead}`, String(dead)].sort()
  for (const name of [...others, `${hostname()}-${dead}`])
    await mkdir(join(folder, name, 'debian'), { recursive: true })
  await removeStaleCopies(stateDir)
  expect((await readdir(folder)).sort()).toEqual(others)
})

describe('the copy for the packaged Packer', () => {
  test('of packer/debian: exactly its own lines are gone', async () => {
    const target = join(await temporaryFolder(), 'packaged')
    const template = await loadTemplate('debian')
    const copy = await writePackagedCopy(template, target)
    expect(copy).toEqual({
      folder: join(target, 'debian'),
      changes: [
        'dropped required_plugins (its builder is built in)',
        'dropped token (logs in with PROXMOX_PASSWORD instead)',
        'dropped task_timeout (waits for tasks as long as it always does)',
        "dropped cloud_init (keeps the base VM's cloud-init drive)",
        "dropped cloud_init_storage_pool (keeps the base VM's cloud-init drive)",
      ],
    })
    const before = (await readFile('packer/debian/debian.pkr.hcl', 'utf8')).split('\n')
    const after = new Set((await readFile(join(copy.folder, 'debian.pkr.hcl'), 'utf8')).split('\n'))
    expect(before.filter(line => !after.has(line)).map(line => line.trim().split(/\s+/)[0])).toEqual([
      'required_plugins',
      'proxmox',
      'source',
      'version',
      'token',
      'task_timeout',
      'cloud_init',
      'cloud_init_storage_pool',
    ])
    expect(await readFile(join(copy.folder, '../common/clean-up.sh'), 'utf8')).toBe(
      await readFile('packer/common/clean-up.sh', 'utf8'),
    )
  })

  test('has the other families beside it, untranslated, and nothing of an earlier copy', async () => {
    const root = await temporaryFolder()
    const target = join(root, 'copy')
    for (const os of ['a', 'b']) {
      await mkdir(join(root, 'packer', os), { recursive: true })
      await writeFile(join(root, 'packer', os, 'x.pkr.hcl'), source('tags = "x"'))
    }
    await mkdir(join(target, 'old'), { recursive: true })
    const { folder } = await writePackagedCopy(await loadTemplate('a', join(root, 'packer')), target)
    expect((await readdir(target)).sort()).toEqual(['a', 'b'])
    expect(await readFile(join(folder, 'x.pkr.hcl'), 'utf8')).toBe(source())
    expect(await readFile(join(target, 'b', 'x.pkr.hcl'), 'utf8')).toBe(source('tags = "x"'))
  })
})
