import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { byPath, comparePermissions } from '../../../scripts/lib/permissions/compare.mts'
import { grantedFrom, loadPermissionTree, pathsOf } from '../../../scripts/lib/permissions/granted.mts'
import {
  baseImportNeeds,
  cloneBuildNeeds,
  type Grant,
  type Need,
  type NewVmPlace,
} from '../../../scripts/lib/permissions/needs.mts'
import type { PermissionTree } from '../../../scripts/lib/proxmox/get-permissions.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const identity = 'terraform@pve!terraform-token'

const grant = (text: string): Grant => {
  const [path = '', privilege = ''] = text.split(' ')
  return { path, privilege }
}

const text = ({ path, privilege }: Grant) => `${path} ${privilege}`

describe('what a saved answer grants on a path', () => {
  test.each<[string, PermissionTree, string, string[]]>([
    ['the path itself', { '/vms/100': { 'VM.Audit': 0 } }, '/vms/100', ['VM.Audit']],
    ['above it, propagating', { '/vms': { 'VM.Audit': 1 } }, '/vms/100', ['VM.Audit']],
    ['above it, not propagating', { '/vms': { 'VM.Audit': 0 } }, '/vms/100', []],
    ['above it, some of each', { '/vms': { 'VM.Audit': 1, 'VM.Clone': 0 } }, '/vms/100', ['VM.Audit']],
    ['beside it', { '/vms/101': { 'VM.Audit': 1 } }, '/vms/100', []],
    ['below it', { '/vms/100': { 'VM.Audit': 1 } }, '/vms', []],
    ['a path that only begins alike', { '/vms/10': { 'VM.Audit': 1 } }, '/vms/100', []],
    [
      'the nearest one decides alone',
      { '/': { 'SDN.Use': 1 }, '/sdn': { 'SDN.Audit': 1 }, '/sdn/zones/localnetwork': { 'SDN.Allocate': 1 } },
      '/sdn/zones/localnetwork/vmbr0',
      ['SDN.Allocate'],
    ],
    [
      'across paths without an entry',
      { '/sdn': { 'SDN.Use': 1 } },
      '/sdn/zones/localnetwork/vmbr0/42',
      ['SDN.Use'],
    ],
    ['the root', { '/': { 'Sys.Audit': 0 } }, '/', ['Sys.Audit']],
    ['the root for a pool', { '/': { 'VM.Allocate': 1 } }, '/pool/web', ['VM.Allocate']],
    // Proxmox always tells of /vms where there is anything: left out, an entry there takes all away.
    ['nothing where /vms is left out', { '/': { 'VM.Audit': 1 } }, '/vms/100', []],
    ['nothing where /storage is left out', { '/': { 'Datastore.Audit': 1 } }, '/storage/tank', []],
    ['nothing at all', {}, '/vms/100', []],
  ])('%s', (_, tree, path, expected) => {
    expect([...grantedFrom(tree, [path]).get(path)!]).toEqual(expected)
  })
})

describe('comparePermissions', () => {
  const need = (...alternatives: string[][]): Need => ({
    purpose: 'test',
    alternatives: alternatives.map(grants => grants.map(grant)),
  })
  const optional = (...alternatives: string[][]): Need => ({ ...need(...alternatives), without: 'slower' })

  test.each<[string, Need, PermissionTree, 'granted' | 'missing' | 'optional', string[]]>([
    ['granted', need(['/a X']), { '/a': { X: 0 } }, 'granted', ['/a X']],
    ['not granted', need(['/a X']), {}, 'missing', ['/a X']],
    ['another privilege', need(['/a X']), { '/a': { Y: 1 } }, 'missing', ['/a X']],
    ['half of what is wanted together', need(['/a X', '/a Y']), { '/a': { X: 0 } }, 'missing', ['/a Y']],
    ['the second alternative', need(['/a X'], ['/a Y']), { '/a': { Y: 0 } }, 'granted', ['/a Y']],
    ['none: the smallest addition', need(['/a X', '/a Y'], ['/b Z']), {}, 'missing', ['/b Z']],
    ['none: the first of equals', need(['/a X'], ['/b Z']), {}, 'missing', ['/a X']],
    [
      'none: what is there counts',
      need(['/a X', '/a Y', '/a Z'], ['/b V', '/b W']),
      { '/a': { X: 0, Y: 0 } },
      'missing',
      ['/a Z'],
    ],
    ['dispensable and granted', optional(['/a X']), { '/a': { X: 0 } }, 'granted', ['/a X']],
    ['dispensable and not granted', optional(['/a X']), {}, 'optional', ['/a X']],
  ])('%s', (_, wanted, tree, outcome, grants) => {
    const report = comparePermissions(identity, 9, [wanted], grantedFrom(tree, pathsOf([wanted])))
    const found = {
      granted: report.granted.flatMap(({ by }) => by.map(text)),
      missing: report.missing.flatMap(({ add }) => add.map(text)),
      optional: report.optional.flatMap(({ add }) => add.map(text)),
    }
    expect(found).toEqual({ granted: [], missing: [], optional: [], [outcome]: grants })
    expect([report.identity, report.pveMajor]).toEqual([identity, 9])
  })
})

test('grants by path: each once, in order', () => {
  const grants = ['/vms VM.Clone', '/ Sys.Audit', '/vms VM.Audit', '/vms VM.Clone'].map(grant)
  expect([...byPath(grants)]).toEqual([
    ['/', ['Sys.Audit']],
    ['/vms', ['VM.Audit', 'VM.Clone']],
  ])
})

describe('published roles', () => {
  /** What a role on / comes to on the paths Proxmox always tells of. */
  async function tree(role: string): Promise<PermissionTree> {
    const lines = await readFile('test/fixtures/permissions/published-roles.txt', 'utf8')
    const privileges = new RegExp(` ${role} -privs '(.*)'`).exec(lines)![1]!.split(',')
    const paths = ['/', '/access', '/access/groups', '/nodes', '/pool', '/sdn', '/storage', '/vms']
    const grants = Object.fromEntries(privileges.map(privilege => [privilege, 1 as const]))
    return Object.fromEntries(paths.map(path => [path, grants]))
  }

  const place = { node: 'pve', vmid: undefined, diskStorages: ['tank'], bridge: 'vmbr0' }
  const works: Record<string, (place: NewVmPlace) => Need[]> = {
    build: at => cloneBuildNeeds(at, undefined, true),
    'base import': at => baseImportNeeds(at, 'local'),
  }

  test.each<[role: string, pveMajor: number, work: string, missing: string[], optional: string[]]>([
    ['TerraformProv', 9, 'build', [], []],
    [
      'TerraformProv',
      9,
      'base import',
      ['/storage/local Datastore.AllocateTemplate'],
      ['/storage/local Datastore.Allocate'],
    ],
    ['TerraformProv', 8, 'build', ['/vms VM.Monitor'], []],
    ['TerraformProv8', 8, 'build', [], []],
    ['TerraformProv8', 8, 'base import', [], ['/storage/local Datastore.Allocate']],
    ['TerraformProv8', 9, 'build', ['/vms VM.GuestAgent.Audit'], []],
  ])('%s on PVE %i, %s: lacks %j, could do with %j', async (role, pveMajor, work, missing, optional) => {
    const needs = works[work]!({ ...place, pveMajor })
    const report = comparePermissions(
      identity,
      pveMajor,
      needs,
      grantedFrom(await tree(role), pathsOf(needs)),
    )
    expect(report.missing.flatMap(({ add }) => add.map(text))).toEqual(missing)
    expect(report.optional.flatMap(({ add }) => add.map(text))).toEqual(optional)
  })
})

describe('a saved answer', () => {
  const save = async (content: string) => {
    const file = join(await temporaryFolder(), 'permissions.json')
    await writeFile(file, content)
    return file
  }

  test('is read as it is', async () => {
    const file = await save('{"/":{"Sys.Audit":1},"/vms/100":{"VM.Audit":0}}')
    expect(await loadPermissionTree(file)).toEqual({ '/': { 'Sys.Audit': 1 }, '/vms/100': { 'VM.Audit': 0 } })
  })

  test('may grant nothing', async () => {
    expect(await loadPermissionTree(await save('{}'))).toEqual({})
  })

  test.each([
    ['no JSON', '┌──────┬───┐'],
    ['empty', ''],
    ['a list', '[{"path":"/"}]'],
    ['null', 'null'],
    ['a text', '"/"'],
    ['keys that are no paths', '{"data":{"/":{}}}'],
    ['paths without privileges', '{"/":"Sys.Audit"}'],
    ['a path with nothing', '{"/":null}'],
    ['a path with a list', '{"/":["Sys.Audit"]}'],
  ])('%s is none', async (_, content) => {
    const file = await save(content)
    expect(await failureOf(() => loadPermissionTree(file))).toEqual({
      message: `${file} does not hold saved permissions`,
      hint: "on the node: pveum user permissions 'USER@REALM!TOKENID' --output-format json > FILE",
      exitCode: 2,
      facts: {},
    })
  })

  test('a file that is not there', async () => {
    expect((await failureOf(() => loadPermissionTree('/no/such.json'))).message).toBe(
      '/no/such.json does not hold saved permissions',
    )
  })
})
