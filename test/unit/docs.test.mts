/** What the documents say of codes, rules, privileges and each other is so. */
import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { benchmarksPage } from '../../bench/table.mts'
import { checks } from '../../scripts/lib/acceptance/checks.mts'
import { rules } from '../../scripts/lib/packer/rules.mts'
import { comparePermissions, type PermissionReport } from '../../scripts/lib/permissions/compare.mts'
import { type Holders, unknownHolders } from '../../scripts/lib/permissions/holders.mts'
import {
  acceptanceNeeds,
  baseImportNeeds,
  cloneBuildNeeds,
  vmNeeds,
} from '../../scripts/lib/permissions/needs.mts'
import { pveumLines } from '../../scripts/lib/permissions/remedy.mts'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { type Document, documents, loadDocument, repository } from './documents.mts'

let all: Document[]
const documentNamed = (path: string): string => all.find(document => document.path === path)!.text

beforeAll(async () => {
  all = await documents()
})

/** The cells of the first column of a table whose rows begin with it. */
function firstColumn(text: string): string[] {
  return [...text.matchAll(/^\| `?([\w-]+)`? \|/gm)].map(([, cell]) => cell!)
}

describe('tables', () => {
  test('the exit codes are those of the code', () => {
    const documented = firstColumn(documentNamed('docs/exit-codes.md')).filter(cell => /^\d+$/.test(cell))
    expect(documented.map(Number)).toEqual(Object.values(exitCodes))
  })

  test('the table of the rules is the one the code makes', () => {
    const rows = rules.map(({ name, summary, why }) => `| \`${name}\` | ${summary} | ${why} |`)
    const table = ['| rule | says | why |', '|---|---|---|', ...rows].join('\n')
    expect(documentNamed('docs/templates.md')).toContain(`\n${table}\n`)
  })

  test('the checks of the acceptance test are those of the code, word by word', () => {
    const [, section = ''] = documentNamed('docs/templates.md').split(/^## The acceptance test$/m)
    const rows = section
      .split(/^## /m)[0]!
      .split('\n')
      .filter(line => line.startsWith('| `'))
    expect(rows).toEqual(checks.map(({ name, says, why }) => `| \`${name}\` | ${says} | ${why} |`))
  })
})

/** Everything that building, importing and VMs want, also where they could do without. */
function neededPrivileges(pveMajor: number): string[] {
  const place = { pveMajor, node: 'pve', vmid: undefined, diskStorages: ['tank'], bridge: 'vmbr0' }
  const needs = [
    ...cloneBuildNeeds(place, undefined, true),
    ...acceptanceNeeds(place, undefined, { login: 'ssh', agent: true }, 'local'),
    ...baseImportNeeds(place, 'local'),
    ...(['snippet', 'iso'] as const).flatMap(kind => vmNeeds(place, undefined, { kind, storage: 'local' })),
  ]
  return [...new Set(needs.flatMap(need => need.alternatives[0]!.map(grant => grant.privilege)))].sort()
}

function rolesIn(text: string): string[][] {
  return [...text.matchAll(/^pveum role add \w+ -privs '([^']+)'/gm)].map(([, names]) => names!.split(','))
}

describe('the role', () => {
  test('of the README has what the check asks for on Proxmox VE 9', () => {
    expect(rolesIn(documentNamed('README.md'))).toEqual([neededPrivileges(9)])
  })

  test('of the set-up guide has it for 9, then for 8', () => {
    const expected = [neededPrivileges(9), neededPrivileges(8)]
    expect(rolesIn(documentNamed('docs/proxmox-setup.md'))).toEqual(expected)
  })
})

test('the guide says what the widespread role lacks', async () => {
  const { text } = await loadDocument('test/fixtures/permissions/published-roles.txt')
  const has = / TerraformProv -privs '(.*)'/.exec(text)![1]!.split(',')
  const [, added = ''] = /TerraformProv -append 1 -privs '([^']+)'/.exec(
    documentNamed('docs/proxmox-setup.md'),
  )!
  // Sys.Audit and Sys.Modify on / do what Sys.AccessNetwork does.
  const lacking = neededPrivileges(9).filter(name => !has.includes(name) && name !== 'Sys.AccessNetwork')
  expect(has).toEqual(expect.arrayContaining(['Sys.Audit', 'Sys.Modify']))
  expect(added.split(',')).toEqual(lacking)
})

/** An identity whose user has the role Proxmint on `/`. */
const documented: Holders = {
  ...unknownHolders('proxmint@pve!build'),
  userLacks: true,
  standing: {
    acl: [{ path: '/', type: 'user', ugid: 'proxmint@pve', roleid: 'Proxmint', propagate: 1 }],
    groups: [],
    privsep: false,
  },
}

function reportLacking(privilege: string): PermissionReport {
  const need = { purpose: 'test', alternatives: [[{ path: '/vms/9000', privilege }]] }
  return comparePermissions('proxmint@pve!build', 9, [need], new Map())
}

test('lines that add a privilege are those that check-permissions prints', () => {
  const shown = all.flatMap(({ text }) => [
    ...text
      .replace(/-append 1\n\s*/g, '-append 1 ')
      .matchAll(/pveum role modify Proxmint -append 1 -privs '([\w.]+)'/g),
  ])
  expect(shown.length).toBeGreaterThanOrEqual(3)
  for (const [line, privilege] of shown) {
    expect(pveumLines([reportLacking(privilege!)], documented)).toEqual([line])
  }
})

test("Packer by hand trusts Proxmox's own CA, in every document that shows it", () => {
  const shown = all.flatMap(({ text }) => text.match(/^.*\bpacker build \..*$/gm) ?? [])
  expect(shown.length).toBeGreaterThanOrEqual(2)
  expect(shown.filter(line => !line.includes('SSL_CERT_FILE="$PROXMOX_CA_FILE" packer build .'))).toEqual([])
})

test('the benchmarks are those of the last run', async () => {
  const { text } = await loadDocument('bench/results.json')
  expect(documentNamed('docs/benchmarks.md')).toBe(benchmarksPage(JSON.parse(text)))
})

/** As GitHub makes them: lower case, without punctuation, hyphens for spaces. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

async function brokenLinks({ path, text }: Document): Promise<string[]> {
  const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)]
  const broken = links.map(async ([link, target = '', anchor]) => {
    const file = target === '' ? path : join(dirname(path), target)
    const exists = await access(join(repository, file)).then(
      () => true,
      () => false,
    )
    if (!exists) return [`${path}: ${link}`]
    if (anchor === undefined) return []
    return anchorsOf((await loadDocument(file)).text).includes(anchor) ? [] : [`${path}: ${link}`]
  })
  return (await Promise.all(broken)).flat()
}

describe('links', () => {
  test('lead to files and headings that are there', async () => {
    expect((await Promise.all(all.map(brokenLinks))).flat()).toEqual([])
  })

  test('reach every document of docs/', () => {
    const index = documentNamed('docs/README.md')
    const others = all
      .map(({ path }) => path)
      .filter(path => path.startsWith('docs/') && path !== 'docs/README.md')
    expect(others.filter(path => !index.includes(`](${path.slice('docs/'.length)})`))).toEqual([])
  })
})
