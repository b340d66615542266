import { expect, test } from 'vitest'
import { apiError } from '../../../scripts/lib/proxmox/errors.mts'
import type { Connection } from '../../../scripts/lib/site/connect.mts'
import { clockForNew, requireClock } from '../../../scripts/lib/site/require-clock.mts'
import { failureOf } from '../failure.mts'

const minute = 60_000

/** @param date by how much the header is ahead, if it is there. @param node by how much the node is, if it may be asked. */
function proxmox(date: number | undefined, node?: number): Connection {
  const client = {
    time: async () => (date === undefined ? undefined : new Date(Date.now() + date)),
    request: async (method: 'GET', path: string) => {
      if (node !== undefined) return { time: Math.floor((Date.now() + node) / 1000) }
      throw apiError({
        method,
        path,
        identity: 'proxmint@pve!t',
        status: 403,
        reason: 'Permission check failed',
        body: '',
      })
    },
  }
  return { client, credentials: { node: 'pve' } } as unknown as Connection
}

test.each([4, -4])("a clock that differs by %d minutes is Proxmox's", async minutes => {
  const now = await requireClock(proxmox(minutes * minute))
  expect(Math.abs(now().getTime() - Date.now() - minutes * minute)).toBeLessThan(2000)
})

test.each([6, -6, 31 * 24 * 60])(
  'a clock that differs by %d minutes is refused, with both times',
  async minutes => {
    const failure = await failureOf(() => requireClock(proxmox(minutes * minute)))
    expect(failure).toMatchObject({ exitCode: 1, hint: expect.stringContaining('nothing was changed') })
    const { Proxmox, 'this machine': ours } = failure.facts as Record<string, string>
    expect(Math.abs(Date.parse(Proxmox!) - Date.parse(ours!) - minutes * minute)).toBeLessThan(2000)
  },
)

test('the clock goes on although that of this machine is set anew', async () => {
  const now = await requireClock(proxmox(0))
  const real = Date.now
  Date.now = () => real() + 31 * 24 * 60 * minute
  try {
    expect(Math.abs(now().getTime() - real())).toBeLessThan(2000)
  } finally {
    Date.now = real
  }
})

test('behind a proxy that hides the header, the node is asked', async () => {
  const now = await requireClock(proxmox(undefined, 3 * minute))
  expect(Math.abs(now().getTime() - Date.now() - 3 * minute)).toBeLessThan(2000)
  expect(await failureOf(() => requireClock(proxmox(undefined, 6 * minute)))).toHaveProperty('facts')
  expect(await failureOf(() => requireClock(proxmox(undefined)))).toMatchObject({
    message: expect.stringContaining("Proxmox's clock cannot be read"),
    hint: expect.stringContaining('Sys.Audit on /nodes/pve'),
  })
})

test('a new VM gets its expiry by this machine only if Proxmox cannot be read', async () => {
  const now = await clockForNew(proxmox(4 * minute))
  expect(Math.abs(now().getTime() - Date.now() - 4 * minute)).toBeLessThan(2000)
  const own = await clockForNew(proxmox(undefined))
  expect(Math.abs(own().getTime() - Date.now())).toBeLessThan(2000)
  expect(await failureOf(() => clockForNew(proxmox(6 * minute)))).toHaveProperty('facts')
})
