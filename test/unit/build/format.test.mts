/** What a build says in the end. */
import { expect, test } from 'vitest'
import { formatBuild } from '../../../scripts/lib/build/format.mts'
import type { BuildResult, BuiltVersion } from '../../../scripts/lib/build/records.mts'
import { version } from '../templates/sample.mts'

const changes = ['dropped token (logs in with a password)', 'dropped tags (set after the build)']
const { copies, test: tested } = version(1)
const template: BuiltVersion = {
  ...{ vmid: 9001, copies, test: tested },
  ...{ channel: 'current', log: 'logs/build-debian-9001.log' },
}

const result = (more: Partial<BuildResult>): BuildResult => ({
  os: 'debian',
  name: 'debian-20261101-1',
  node: 'pve',
  packer: { version: '1.6.6', dialect: 'packaged', file: '/usr/bin/packer' },
  changes,
  commands: [],
  reason: undefined,
  template: undefined,
  seconds: 61,
  ...more,
})

test('what Packer 1.6 does not know is one short line, since the log has the list', () => {
  const text = formatBuild(result({ template }))
  expect(text).toContain(
    '\nleft out for Packer 1.6, in a copy of the template: 2 settings; the log has the list\n',
  )
  expect(text).not.toContain('dropped')
  expect(text).toContain('\nlog: logs/build-debian-9001.log')
})

test('without a log it is the list', () => {
  const list = `in a copy of the template, for Packer 1.6:\n${changes.map(change => `  ${change}`).join('\n')}\n`
  expect(formatBuild(result({}))).toContain(list)
  expect(formatBuild(result({ commands: ['packer build .'] }))).toContain(list)
  expect(formatBuild(result({ changes: [] }))).not.toContain('in a copy of the template')
})

test('one check is one check', () => {
  expect(formatBuild(result({ template }))).toContain('it is the current version of debian: 1 check passed')
})
