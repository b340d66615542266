/** Flags, YAML keys, schemas, design and documents follow from one table of VM options. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { FleetVm } from '../../../scripts/lib/config/fleet.mts'
import { valueAt } from '../../../scripts/lib/config/paths.mts'
import { filledDefaults, loadVmDefaults } from '../../../scripts/lib/config/vm-defaults.mts'
import type { VmOption } from '../../../scripts/lib/config/vm-option.mts'
import { VM_OPTIONS } from '../../../scripts/lib/config/vm-options.mts'
import { parseArguments } from '../../../scripts/lib/run/command-line.mts'
import { createFlags } from '../../../scripts/lib/vm/flags.mts'
import { decidedAttributes } from '../../../scripts/lib/vm/plan/design.mts'
import { wishesOf, wishesWith } from '../../../scripts/lib/vm/plan/wishes.mts'
import { describeCommand } from '../../../tools/describe-command.mts'
import { generatedFiles } from '../../../tools/vm-options/files.mts'
import { repository } from '../documents.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const read = (path: string) => readFile(join(repository, path), 'utf8')
const options: [string, VmOption][] = Object.entries(VM_OPTIONS)

test('the schemas and the page are up to date: otherwise `npm run vm-options`', async () => {
  for (const [path, text] of Object.entries(await generatedFiles(VM_OPTIONS, read))) {
    expect(await read(path), path).toBe(text)
  }
})

describe('an option that is added to the table', () => {
  const balloon: VmOption = {
    kind: 'integer',
    names: {
      flag: 'least-memory',
      fleetKey: 'least_memory',
      fileKey: 'balloon.least',
      attribute: 'balloon.least',
    },
    ...{ value: 'MIB', unit: 'MiB', range: { min: 64, max: 4096 }, default: 128 },
    ...{ help: 'memory that the node leaves to it', change: 'hot' },
  }
  const table = { ...VM_OPTIONS, balloon }
  const command = {
    ...{ name: 'vm', summary: '', usage: '', positionals: 1, uses: [], writes: [], example: '' },
    options: createFlags(table),
  }
  const wishes = (...argv: string[]) => wishesOf(parseArguments(command, argv), table)
  const schemaOf = async (path: string) => JSON.parse((await generatedFiles(table, read))[path]!)
  const faultsOf = async (path: string, value: object) => {
    const ajv = new Ajv({ allowUnionTypes: true })
    return ajv.validate(await schemaOf(path), value) ? undefined : ajv.errorsText()
  }

  test('is a flag with its range', async () => {
    expect(wishes('--least-memory', '256')).toMatchObject({ balloon: 256, cores: undefined })
    const failure = await failureOf(async () => wishes('--least-memory', '5'))
    expect(failure.message).toBe('option `--least-memory` takes a whole number from 64 to 4096, not `5`')
  })

  test('is in PROJECT.yaml', () => {
    expect(describeCommand(command, '')).toHaveProperty(['options', '--least-memory'], {
      type: 'integer',
      value: 'MIB',
      help: 'memory that the node leaves to it, in MiB; default: balloon.least of config/vm.yaml, or else 128',
    })
  })

  test('is a key of both schemas', async () => {
    expect(await faultsOf('config/vm.schema.json', { balloon: { least: 64 } })).toBeUndefined()
    expect(await faultsOf('config/vm.schema.json', { balloon: { least: 5 } })).toContain('must be >= 64')
    expect(await faultsOf('config/vm.schema.json', { balloon: { most: 64 } })).toContain('additional')
    const fleet = (least_memory: number) => ({ vms: { a: { least_memory } } })
    expect(await faultsOf('config/fleet.schema.json', fleet(64))).toBeUndefined()
    expect(await faultsOf('config/fleet.schema.json', fleet(5000))).toContain('must be <= 4096')
  })

  test.each([
    ['its default', {}, {}, [], 128],
    ['config/vm.yaml', { balloon: { least: 200 } }, {}, [], 200],
    ['the flag', { balloon: { least: 200 } }, {}, ['--least-memory', '300'], 300],
    ['the fleet file', { balloon: { least: 200 } }, { least_memory: 400 }, ['--least-memory', '300'], 400],
  ])('is in the design, by %s', (_, file, own, argv, least) => {
    const wished = wishesWith(wishes(...argv), own as FleetVm, table)
    expect(decidedAttributes(wished, filledDefaults(file, table), table)).toMatchObject({
      balloon: { least },
      cores: 2,
    })
  })

  test('is a row of the page', async () => {
    expect((await generatedFiles(table, read))['docs/vm-options.md']).toContain(
      '\n| `--least-memory` | `least_memory` | `balloon.least` | memory that the node leaves to it, in MiB; 64 to 4096 | `128` | hot |\n',
    )
  })
})

describe('a file as people have it', () => {
  const load = async (text: string) => {
    const path = join(await temporaryFolder(), 'vm.yaml')
    await writeFile(path, text)
    return loadVmDefaults({ PROXMINT_VM: path })
  }
  const [own, offline] = ['ssh-ed25519 AAAAC3NzaC1lZDI1 me', 'ssh-rsa AAAAB3NzaC1yc2E=']

  test('every key of config/vm.yaml', async () => {
    const file = {
      ...{ template: 'arch', cores: 1024, cpu_type: 'host', memory: 64, disk: 1, agent_timeout: '1h30m' },
      credential: { template: 'web3', cloud_init: 'own-auth' },
      cloud_init: {
        ...{ template: 'web', delivery: 'iso', storage: 'nfs', username: '_ops' },
        ...{ ssh_authorized_keys: [own], break_glass_key: offline },
      },
    }
    expect(await load(JSON.stringify(file))).toEqual({
      ...{ template: 'arch', cores: 1024, cpuType: 'host', memory: 64, disk: 1, agentTimeout: '1h30m' },
      credential: { template: 'web3', cloudInitTemplate: 'own-auth' },
      cloudInit: {
        ...{ template: 'web', delivery: 'iso', storage: 'nfs', username: '_ops' },
        sshAuthorizedKeys: [own, offline],
      },
    })
  })

  test('faults have their path, their line and the nearest key', async () => {
    const failure = await failureOf(() => load('memroy: 64\ncores: 0\ncloud_init:\n  username: Root\n'))
    expect(failure.exitCode).toBe(3)
    expect(failure.message.split('\n').slice(1).sort()).toEqual([
      '  - line 1: memroy is not a known key; did you mean memory?',
      '  - line 2: cores must be >= 1, not 0',
      '  - line 4: cloud_init.username must match pattern "^[a-z_][a-z0-9_-]{0,31}$", not "Root"',
    ])
  })
})

describe('the commented samples', () => {
  test('config/vm.yaml has every key, and its values are the defaults', async () => {
    const text = await read('config/vm.yaml')
    const sample = parse(text)
    for (const [, { names, default: fallback }] of options) {
      if (names.fileKey === undefined) continue
      expect(text).toMatch(new RegExp(`^ *(# )?${names.fileKey.split('.').at(-1)}:`, 'm'))
      if (valueAt(sample, names.fileKey) !== undefined) {
        expect(valueAt(sample, names.fileKey), names.fileKey).toBe(fallback)
      }
    }
  })

  test('config/fleet-example.yaml names every key', async () => {
    const text = await read('config/fleet-example.yaml')
    const keys = options.flatMap(([, { names }]) => names.fleetKey ?? [])
    expect(keys.filter(key => !new RegExp(`\\b${key}\\b`).test(text))).toEqual([])
  })
})

test('variables of the Terraform module have the same defaults', async () => {
  const module = await read('terraform/modules/vm/variables.tf')
  const withDefault = options.filter(([, option]) => option.names.variable && option.default !== undefined)
  expect(withDefault.length).toBeGreaterThan(3)
  for (const [name, { names, default: fallback }] of withDefault) {
    const [, block] = module.split(`variable "${names.variable}" {`)
    expect(block, name).toBeDefined()
    const [, given] = /^ {2}default +=\s+(.+)$/m.exec(block!.split('\n}')[0]!) ?? []
    // A VM's disk is not smaller than that of its VM template, which the module does not know.
    if (name !== 'disk') expect(given, name).toBe(JSON.stringify(fallback))
  }
})
