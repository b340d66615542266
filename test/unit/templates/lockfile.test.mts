import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { withLock } from '../../../scripts/lib/run/lock.mts'
import { addCandidate, promote } from '../../../scripts/lib/templates/channels.mts'
import { lockfilePath, readLockfile, updateLockfile } from '../../../scripts/lib/templates/lockfile.mts'
import { formatLockfile, parseLockfile } from '../../../scripts/lib/templates/lockfile-format.mts'
import type { Families } from '../../../scripts/lib/templates/version.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'
import { failed, version } from './sample.mts'

const revoked = { reason: 'CVE-2026-1', at: '2026-11-20T00:00:00.000Z' }

const families: Families = {
  ubuntu: { current: null, previous: null, candidate: version(5, { test: null }), retired: [] },
  debian: {
    current: version(4),
    previous: version(3, { revoked, revision: `${'a'.repeat(40)}-dirty` }),
    candidate: null,
    retired: [version(2, { test: failed }), version(1, { image: { name: 'x', url: null, checksum: null } })],
  },
}

async function newPath(): Promise<string> {
  return join(await temporaryFolder(), 'templates.lock.json')
}

describe('the text', () => {
  test('says all there is to say: read again it is the same', async () => {
    expect(await parseLockfile(formatLockfile(families), 'it')).toEqual(families)
  })

  test('is the same whatever order things came in', () => {
    const { ubuntu, debian } = families as Record<'ubuntu' | 'debian', Families[string]>
    const turned: Families = { debian: { ...debian, retired: debian.retired.toReversed() }, ubuntu }
    expect(formatLockfile(turned)).toBe(formatLockfile(families))
  })

  test('of a promotion differs in three lines', () => {
    const before = addCandidate({ debian: families['debian']! }, 'debian', version(6))
    const after = promote(before, 'debian', { untested: false })
    const [old, now] = [formatLockfile(before).split('\n'), formatLockfile(after).split('\n')]
    expect(now.filter((line, index) => line !== old[index])).toEqual([
      `      "current": "${version(6).name}",`,
      `      "previous": "${version(4).name}",`,
      '      "candidate": null,',
    ])
  })

  test('keeps a copy and a check on one line each', () => {
    const text = formatLockfile(families)
    expect(text).toContain('{ "vmid": 9004, "node": "pve", "storage": "tank", "buildId": "')
    expect(text).toContain('{ "name": "boots", "passed": true, "detail": "in 9 s" }')
    expect(JSON.parse(text)).toMatchObject({ version: 1 })
  })
})

const valid = JSON.parse(formatLockfile({ debian: families['debian']! }))

const withFamily = (change: (debian: Record<string, unknown>) => unknown): string => {
  const copy = structuredClone(valid)
  change(copy.families.debian)
  return JSON.stringify(copy)
}

describe('a lockfile that cannot be used is told, and stays as it is', () => {
  test.each<[string, string, string | RegExp]>([
    ['cut off', formatLockfile(families).slice(0, 400), /it is not JSON: /],
    ['empty', '', /it is not JSON: /],
    ['with conflict markers', `<<<<<<< HEAD\n${formatLockfile(families)}`, 'Git left conflict markers in it'],
    ['of a newer proxmint', '{"version":2}', 'it has format 2; this proxmint knows 1'],
    ['without a version', '{"families":{}}', "the file must have required property 'version'"],
    ['null', 'null', 'the file must be object'],
    [
      'with an unknown key',
      withFamily(debian => Object.assign(debian, { candidat: null })),
      'families.debian.candidat is not a known key; did you mean candidate?',
    ],
    [
      'with a channel that leads nowhere',
      withFamily(debian => Object.assign(debian, { current: 'debian-x' })),
      'families.debian.current is debian-x, which is not among its versions',
    ],
    [
      'with a version whose name leads out of the folder of package lists',
      withFamily(debian =>
        Object.assign(debian['versions'] as object, {
          '../../keys': Object.values(debian['versions'] as object)[0],
        }),
      ),
      'the name families.debian.versions.../../keys must match pattern',
    ],
    [
      'with a family of such a name',
      JSON.stringify({ ...valid, families: { '../../keys': valid.families.debian } }),
      'the name families.../../keys must match pattern',
    ],
    [
      'with a node that leads to another request',
      withFamily(debian =>
        Object.assign(Object.values(debian['versions'] as object)[0], {
          copies: [{ vmid: 9000, node: '../../keys', storage: 'tank', buildId: '0123456789ab' }],
        }),
      ),
      /node must match pattern/,
    ],
    [
      'with a version that has no copy',
      withFamily(debian => Object.assign(Object.values(debian['versions'] as object)[0], { copies: [] })),
      /copies must NOT have fewer than 1 items/,
    ],
  ])('%s', async (_, text, fault) => {
    const path = await newPath()
    await writeFile(path, text)
    const attempts = [() => readLockfile(path), () => updateLockfile(path, 'a test', () => ({}))]
    for (const attempt of attempts) {
      const failure = await failureOf(attempt)
      expect(failure).toMatchObject({ exitCode: 3 })
      expect(failure.message).toContain(`${path} is invalid:`)
      expect(failure.message).toMatch(fault)
    }
    expect(await readFile(path, 'utf8')).toBe(text)
  })
})

describe('changing it', () => {
  test('begins with none, and leaves nothing beside it', async () => {
    const path = await newPath()
    expect(await readLockfile(path)).toEqual({})
    const after = await updateLockfile(path, 'a test', before => addCandidate(before, 'debian', version(1)))
    expect(await readLockfile(path)).toEqual(after)
    expect(await readdir(join(path, '..'))).toEqual(['templates.lock.json'])
  })

  test('of ten at once, none is lost', async () => {
    const path = await newPath()
    const days = Array.from({ length: 10 }, (_, index) => index + 1)
    const add = (day: number) =>
      updateLockfile(path, 'a test', before => addCandidate(before, `os-${day}`, version(day)))
    await Promise.all(days.map(add))
    expect(Object.keys(await readLockfile(path)).sort()).toEqual(days.map(day => `os-${day}`).sort())
  })

  test('that is refused changes nothing', async () => {
    const path = await newPath()
    await updateLockfile(path, 'a test', () => families)
    const text = await readFile(path, 'utf8')
    await expect(
      updateLockfile(path, 'a test', before => promote(before, 'debian', { untested: false })),
    ).rejects.toThrow('no candidate')
    expect(await readFile(path, 'utf8')).toBe(text)
  })

  test('says who holds it when another run does', async () => {
    const path = await newPath()
    await mkdir(join(path, '..'), { recursive: true })
    await withLock({ path, purpose: 'the other run' }, async () => {
      const failure = await failureOf(() => updateLockfile(path, 'promote debian', () => ({}), 400))
      expect(failure).toMatchObject({
        exitCode: 5,
        message: `promote debian: another run holds the lock ${path}.lock`,
        facts: { holder: expect.stringContaining('the other run, process ') },
      })
    })
  })
})

test('it stands beside the config', () => {
  expect(lockfilePath({})).toBe('config/templates.lock.json')
  expect(lockfilePath({ PROXMINT_CONFIG: '/etc/x/proxmint.yaml' })).toBe('/etc/x/templates.lock.json')
})
