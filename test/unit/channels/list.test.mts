import { expect, test } from 'vitest'
import { formatVersions } from '../../../scripts/lib/channels/list.mts'
import { version } from '../templates/sample.mts'

test('a revoked version is shown with the channel it stays in', () => {
  const revoked = { reason: 'CVE-2026-1', at: '2026-11-22T10:00:00Z' }
  const table = formatVersions([
    { os: 'debian', mark: 'revoked', channel: 'current', ...version(3, { revoked }) },
    { os: 'debian', mark: 'previous', channel: 'previous', ...version(2) },
    { os: 'debian', mark: 'revoked', channel: null, ...version(1, { revoked }) },
  ])
  const shown = table.split('\n').map(line => line.split(/ {2,}/)[1])
  expect(shown).toEqual(['channel', 'current, revoked', 'previous', 'revoked'])
})
