import { expect, test, vi } from 'vitest'
import { openSite } from '../../../scripts/lib/site/site.mts'
import { withVmRegistry } from '../../../scripts/lib/vm/open.mts'
import { failureOf } from '../failure.mts'

test('a registry that machines share and states that they do not share are refused', async () => {
  vi.stubEnv('PROXMINT_REGISTRY_URL', 'postgresql://proxmint@127.0.0.1:1/proxmint')
  const failure = await failureOf(() =>
    withVmRegistry(openSite(), 'test', () => Promise.reject(new Error('not refused'))),
  )
  expect(failure).toMatchObject({
    message: 'the registry is in PostgreSQL, and the states of Terraform are on this machine alone',
    exitCode: 3,
  })
})
