/** The lab's answers beside those of Proxmox's own code, request by request. */

import { join } from 'node:path'
import { expect, test } from 'vitest'
import { conformityOf } from './conform.mts'

/** How many steps of each sequence have to be equal at least. */
const EQUAL = { access: 282, create: 153, privileges: 1736, storage: 139, vm: 242 }

test.each(Object.entries(EQUAL))('%s: at least %i answers are those of Proxmox', async (name, least) => {
  const { steps, deviations } = await conformityOf(join(import.meta.dirname, `${name}.jsonl`))
  expect(steps - deviations.length).toBeGreaterThanOrEqual(least)
})
