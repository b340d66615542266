/** Each step of the clean-up is left out of a build of its own: the acceptance test finds just that. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { acceptanceFaults } from '../e2e/acceptance-faults.mts'
import { buildWithout, steps } from '../e2e/clean-up-steps.mts'
import { startLabWith } from '../e2e/golden.mts'
import { createWorkspace } from '../e2e/workspace.mts'

let lab: Lab

beforeAll(async () => {
  lab = await startLabWith('base')
})
afterAll(() => lab?.close())

test.concurrent.each(steps)('%s', async (step, faults) => {
  await using workspace = await createWorkspace(lab)
  await buildWithout(workspace, [step])
  expect(await acceptanceFaults(workspace, workspace.vmids[0])).toEqual(
    faults.map(fault => expect.stringMatching(fault)),
  )
})
