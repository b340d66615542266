import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { parseRange } from '../../../scripts/lib/config/addresses.mts'
import { escapeHtml, html } from '../../../scripts/lib/report/html.mts'
import { reportModel } from '../../../scripts/lib/report/model.mts'
import { renderReport } from '../../../scripts/lib/report/page.mts'
import { poolMapOf } from '../../../scripts/lib/report/pools.mts'
import { formatReport, writeReport } from '../../../scripts/lib/report/report.mts'
import { timelineOf } from '../../../scripts/lib/report/timeline.mts'
import { entry, pool } from '../registry/entries.mts'
import { version } from '../templates/sample.mts'
import { temporaryFolder } from '../temporary.mts'
import { inDays, now, sampleFacts } from './sample.mts'

const model = reportModel(sampleFacts())

describe('the model', () => {
  test('counts', () => {
    expect(model.figures).toEqual({
      vms: 9,
      active: 6,
      suspended: 1,
      expiringSoon: 1,
      templates: 2,
      addressesTaken: 9,
      addressesFree: 41n + 4094n,
    })
  })

  test('names the versions in a channel with their age and the VMs made from them', () => {
    const [debian, ubuntu] = model.families
    expect(
      debian!.versions.map(({ channel, age, test, usedBy }) => [channel, age, test, usedBy.length]),
    ).toEqual([
      ['current', '7 days ago', 'passed', 9],
      ['previous', '14 days ago', 'passed', 0],
      ['candidate', 'today', 'not tested', 0],
    ])
    expect([debian!.retired, ubuntu!.os, ubuntu!.retired]).toEqual([1, 'ubuntu', 0])
  })

  test('tells what was done last, and how long it took where that is known', () => {
    const runs = model.runs
      .slice(0, 3)
      .map(({ of, what, isFailure, seconds }) => [of, what, isFailure, seconds])
    expect(runs).toEqual([
      [version(28).name, 'built, not tested', false, 58],
      ['game', 'boot failed: game does not have the address 192.168.122.208', true, undefined],
      ['game', 'created', false, undefined],
    ])
    expect(model.runs.find(({ of }) => of === 'build-1')).toMatchObject({ what: 'active', seconds: 34 })
  })

  test('a healthy site has nothing that needs a look', () => {
    const facts = sampleFacts({ entries: [], reconciled: { findings: [] } })
    expect(reportModel(facts).attention).toEqual([])
  })

  test.each([
    ['a failure', {}, 'game: boot failed: game does not have the address 192.168.122.208'],
    ['a divergence', {}, 'registry, folders, Proxmox and chain contradict each other once'],
    [
      'an expired VM that gc has not seen',
      { entries: [entry('late', { phase: 'active', expiresAt: inDays(-4) })] },
      'late expired 4 days ago; gc will suspend it',
    ],
    [
      'a VM that gc suspends tomorrow',
      { entries: [entry('soon', { phase: 'active', expiresAt: inDays(1) })] },
      'soon expires in 1 day; gc will suspend it in 1 day',
    ],
    [
      'a suspended VM that gc destroys within the week',
      { entries: [entry('off', { phase: 'suspended', expiresAt: inDays(-1) })] },
      'off expired 1 day ago; gc will destroy it in 2 days',
    ],
    [
      'a revoked current version',
      {
        families: {
          debian: {
            ...sampleFacts().families['debian']!,
            current: version(21, { revoked: { reason: 'CVE', at: inDays(0) } }),
          },
        },
      },
      `${version(21).name}, the current version of debian, is revoked: CVE`,
    ],
    [
      'a current version that was never tested',
      {
        families: { debian: { ...sampleFacts().families['debian']!, current: version(21, { test: null }) } },
      },
      `${version(21).name}, the current version of debian, was never tested`,
    ],
    [
      'a family without a current version',
      { families: { debian: { ...sampleFacts().families['debian']!, current: null } } },
      'debian has no current version: no VM can be made from it',
    ],
    [
      'a Proxmox that cannot be asked',
      { reconciled: { unknown: 'connection refused' } },
      'Proxmox could not be asked: connection refused',
    ],
    [
      'a pool that is almost full',
      {
        pools: {
          ...sampleFacts().pools,
          pools: { small: { ...pool('192.168.122.201-192.168.122.209'), name: 'small' } },
        },
      },
      'the pool small has 0 free addresses left',
    ],
    [
      'an address that the pool lost',
      { entries: [entry('old', { address: '192.168.122.9' })] },
      'old has an address that the pool default does not have any more',
    ],
  ])('%s needs a look', (_, changes, sentence) => {
    expect(reportModel(sampleFacts(changes)).attention).toContain(sentence)
  })
})

describe('a pool', () => {
  const owner = entry('web', { address: '192.168.122.202', phase: 'active' })

  test('is shown address by address where it is small', () => {
    const map = poolMapOf(pool('192.168.122.200-192.168.122.203', ['192.168.122.200', '192.168.122.1']), [
      owner,
    ])
    expect(map.cells.map(({ kind, label, vm }) => `${label} ${kind} ${vm?.name ?? ''}`.trim())).toEqual([
      '.200 reserved',
      '.201 free',
      '.202 taken web',
      '.203 free',
    ])
    expect([map.taken, map.reserved, map.free]).toEqual([1, 1, 2n])
  })

  test('shows the further addresses of a VM, whatever pool its first one is from', () => {
    const small = pool('192.168.122.200-192.168.122.203')
    const card = { card: 1, pool: small.name, prefix: 24, gateway: null, dns: [] }
    const addresses = ['192.168.122.203', '192.168.122.9'].map(address => ({ ...card, address }))
    const map = poolMapOf(small, [{ ...owner, address: '10.0.0.1', pool: 'other', addresses }])
    expect(map.cells.map(({ kind }) => kind)).toEqual(['free', 'free', 'free', 'taken'])
    expect(map.outside).toEqual(['web'])
  })

  test('is one cell per stretch of free addresses where it is large, of IPv6 too', () => {
    const large = { ...pool(), range: parseRange('2001:db8::/64')! }
    const map = poolMapOf(large, [entry('six', { address: '2001:db8::1f' })])
    expect(map.cells.map(({ label, count }) => [label, count])).toEqual([
      ['2001:db8::1 to 2001:db8::1e', 30n],
      [':1f', 1n],
      ['2001:db8::20 to 2001:db8::ffff:ffff:ffff:fffe', 2n ** 64n - 33n],
    ])
    expect(map.taken + Number(map.free - (2n ** 64n - 3n))).toBe(1)
  })
})

describe('the timeline', () => {
  test('puts the next to expire first and keeps everything on the scale', () => {
    const { rows, ticks, now: at } = timelineOf(sampleFacts().entries, now, 3)
    expect(rows.slice(0, 3).map(({ name, expires }) => `${name} ${expires}`)).toEqual([
      'trial 2 days ago',
      'wiki in 5 days',
      'shop in 11 days',
    ])
    const positions = [
      at,
      ...ticks.map(({ position }) => position),
      ...rows.flatMap(row => [row.start, row.end, row.graceEnd]),
    ]
    expect(positions.filter(position => position < 0 || position > 100)).toEqual([])
    expect(rows.filter(({ beyond }) => beyond).map(({ name }) => name)).toEqual(['mail'])
    expect(ticks.length).toBeLessThanOrEqual(8)
  })

  test('has a scale without a VM', () => {
    const { rows, ticks } = timelineOf([], now, 3)
    expect([rows.length, ticks[0]]).toEqual([0, { position: expect.any(Number), label: '28 Nov' }])
  })
})

const evil = `<img src=x onerror="alert('1')">&`

describe('the page', () => {
  test('escapes every value, wherever it comes from', async () => {
    const changed = sampleFacts({
      site: evil,
      entries: [
        entry(evil, {
          owner: evil,
          purpose: evil,
          failure: { step: evil, why: evil, at: inDays(-1) },
          history: [{ at: inDays(-1), what: evil }],
        }),
      ],
      families: {
        [evil]: {
          current: version(21, {
            name: evil,
            revoked: { reason: evil, at: inDays(0) },
            copies: [{ vmid: 1, node: evil, storage: '', buildId: '' }],
          }),
          previous: null,
          candidate: null,
          retired: [],
        },
      },
      reconciled: { findings: [{ name: evil, what: evil, hint: evil, fix: undefined }] },
    })
    const page = await renderReport(reportModel(changed))
    expect(page).not.toContain('<img')
    expect(page).not.toContain("alert('1')")
    expect(page.split(escapeHtml(evil)).length - 1).toBeGreaterThanOrEqual(12)
    expect(await renderReport(reportModel(sampleFacts({ reconciled: { unknown: evil } })))).not.toContain(
      '<img',
    )
  })

  test('says when Proxmox could not be asked, and why', async () => {
    const page = await renderReport(
      reportModel(sampleFacts({ reconciled: { unknown: 'connection refused' } })),
    )
    expect(page).toContain('Proxmox could not be asked, so this is not known: connection refused')
  })

  test('refers to nothing outside and holds no script', async () => {
    const page = await renderReport(model)
    expect(page).not.toMatch(/\ssrc=|url\(|@import|https?:|<script/i)
  })

  test('says what to do where there is nothing yet', async () => {
    const empty = sampleFacts({ families: {}, entries: [], reconciled: { findings: [] } })
    const page = await renderReport(reportModel(empty))
    for (const text of [
      'zx scripts/build.mts debian',
      'There are none.',
      'Nothing was done yet.',
      'They agree.',
    ]) {
      expect(page).toContain(text)
    }
  })
})

test('templates of HTML escape what is put in, and nothing twice', () => {
  const inner = html`<b>${'a & b'}</b>`
  expect(html`<p title="${'"x"'}">${inner}${undefined}${[inner, inner]}${3}</p>`.html).toBe(
    '<p title="&quot;x&quot;"><b>a &amp; b</b><b>a &amp; b</b>\n<b>a &amp; b</b>3</p>',
  )
})

test('a site whose Proxmox is out of reach gets its report all the same', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'config'))
  await writeFile(join(folder, 'config/proxmint.yaml'), 'site: far\n')
  const settings = {
    PROXMINT_CONFIG: join(folder, 'config/proxmint.yaml'),
    PROXMINT_STATE_DIR: join(folder, 'state'),
    PROXMINT_REGISTRY_URL: '',
    PROXMOX_URL: 'https://127.0.0.1:1/api2/json',
    PROXMOX_USERNAME: 'proxmint@pve!build',
    PROXMOX_TOKEN: '01234567-89ab-cdef-0123-456789abcdef',
    PROXMOX_NODE: 'pve',
    PROXMOX_STORAGE_POOL: 'tank',
  }
  for (const [name, value] of Object.entries(settings)) vi.stubEnv(name, value)
  const report = await writeReport(undefined, new AbortController().signal).finally(() => vi.unstubAllEnvs())
  expect(report.file).toBe(join(folder, 'state/report.html'))
  expect(formatReport(report)).toMatch(/^ {2}- Proxmox could not be asked: .*127\.0\.0\.1:1/m)
  expect(await readFile(report.file, 'utf8')).toContain('<h1>far</h1>')
})
