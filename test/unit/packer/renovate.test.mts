/** Renovate's rules find every pin, and put it back together as it stands. */
import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../scripts/lib/config/load.mts'

interface Manager {
  managerFilePatterns: string[]
  matchStrings: string[]
  autoReplaceStringTemplate?: string
  datasourceTemplate: string
  extractVersionTemplate?: string
  versioningTemplate?: string
}

const renovate = JSON.parse(await readFile('renovate.json', 'utf8')) as {
  customManagers: Manager[]
  customDatasources: Record<string, unknown>
}

interface Pin {
  match: string
  groups: Record<string, string>
  manager: Manager
}

async function pinsOf(file: string): Promise<Pin[]> {
  const text = await readFile(file, 'utf8')
  return renovate.customManagers
    .filter(manager => manager.managerFilePatterns.includes(file))
    .flatMap(manager =>
      manager.matchStrings
        .flatMap(pattern => [...text.matchAll(new RegExp(pattern, 'g'))])
        .map(({ 0: match, groups }) => ({ match, groups: { ...groups }, manager })),
    )
}

/** The template language, as far as it is used here. */
function filled(template: string, { groups }: Pin): string {
  const values: Record<string, string> = { ...groups, newValue: groups['currentValue']! }
  return template
    .replaceAll(/\{\{\{replace '\\\.' '_' newValue\}\}\}/g, values['newValue']!.replaceAll('.', '_'))
    .replaceAll(/\{\{\{(\w+)\}\}\}/g, (_, name: string) => values[name] ?? `no ${name}`)
}

const files = ['config/proxmint.yaml', 'packer/windows/variables.pkr.hcl']
const pins = (await Promise.all(files.map(pinsOf))).flat()

test('every image that is downloaded is one of a rule', async () => {
  const { images } = await loadConfig({})
  const urls = Object.values(images).flatMap(({ url }) => url ?? [])
  expect(urls.filter(url => !pins.some(({ match }) => match.startsWith(url)))).toEqual([])
})

test('what the windows family downloads, but for its own medium, is one of a rule', () => {
  expect(pins.map(({ match }) => match)).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^archive-virtio\/.*\.iso$/),
      expect.stringMatching(/^cloudbase-init\/.*\.msi$/),
    ]),
  )
})

describe('a rule', () => {
  test.each(pins.map(pin => [pin.match.split('\n')[0]!, pin] as const))('of %s', (_, pin) => {
    const { manager, match, groups } = pin
    if (manager.autoReplaceStringTemplate !== undefined) {
      expect(filled(manager.autoReplaceStringTemplate, pin)).toBe(match)
    }
    const versioning = manager.versioningTemplate ?? ''
    if (versioning.startsWith('regex:')) {
      expect(groups['currentValue']).toMatch(new RegExp(versioning.slice('regex:'.length)))
    }
    const source = manager.datasourceTemplate
    if (source.startsWith('custom.')) expect(renovate.customDatasources).toHaveProperty(source.slice(7))
  })
})
