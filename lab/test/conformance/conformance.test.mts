/** The lab's answers beside those of Proxmox's own code, request by request. */

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { knownSteps, readConformity } from '../../pve/api-coverage/conformity.mts'
import { conformityOf, type Deviation } from './conform.mts'

const conformity = await readConformity()

function described({ step, request: { as, method, path }, differences }: Deviation): string {
  const places = differences.map(
    ({ at, recorded, here }) => `${at}: ${JSON.stringify(recorded)} here ${JSON.stringify(here)}`,
  )
  return `${step} ${as} ${method} ${path}: ${places.join('; ')}`
}

test.each(Object.keys(conformity.answers))(
  '%s: every answer is that of Proxmox, but the known ones',
  async name => {
    const known = knownSteps(conformity, name)
    const { deviations } = await conformityOf(join(import.meta.dirname, `${name}.jsonl`))
    const unknown = deviations.filter(({ step }) => !known.includes(step))
    expect(unknown.map(described)).toEqual([])
    const steps = deviations.map(({ step }) => step)
    expect(
      known.filter(step => !steps.includes(step)),
      'these are equal now: take them out of known.json',
    ).toEqual([])
  },
)

test('each known deviation has its reason', () => {
  for (const { reason } of conformity.known) expect(reason).toMatch(/^[A-Z`].{20,}\.$/)
})

test('at least 98 % of the answers are equal', () => {
  const answers = Object.values(conformity.answers).reduce((a, b) => a + b, 0)
  const differ = Object.keys(conformity.answers).flatMap(name => knownSteps(conformity, name)).length
  expect((answers - differ) / answers).toBeGreaterThanOrEqual(0.98)
})
