/**
 * VMIDs that somebody else takes between a run's check and its clone. `PROXMINT_TEST_COLLISIONS` is their number, half of
 * them by VMs of a person, half by a second site; default: 100. The counts are printed.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Lab } from '../../lab/create.mts'
import { collide, configText, createAtOnce, createSite, expectOwn } from '../e2e/collisions.mts'
import { startLabWith } from '../e2e/golden.mts'
import type { VmWorkspace } from '../e2e/vm-workspace.mts'

const WANTED = Number(process.env['PROXMINT_TEST_COLLISIONS'] ?? 100)
/** VMIDs that are taken from one run, one after the other. */
const PER_RUN = 5
const TIMEOUT_MS = 120 * 60_000

let lab: Lab
let north: VmWorkspace
let south: VmWorkspace

beforeAll(async () => {
  lab = await startLabWith('base')
  ;[north, south] = [await createSite(lab, 'north'), await createSite(lab, 'south')]
})
afterAll(async () => {
  await Promise.all([north?.[Symbol.asyncDispose](), south?.[Symbol.asyncDispose]()])
  await lab?.close()
})

test(
  `${WANTED / 2} VMs of a person, made between plan and clone, stay byte for byte as they were`,
  async () => {
    const strangers = new Map<number, string>()
    let runs = 0
    while (strangers.size < WANTED / 2) {
      const name = `win-${runs++}`
      const takes = Math.min(PER_RUN, WANTED / 2 - strangers.size)
      const { code, stderr, before, entry } = await collide(lab, north, name, takes)
      expect(code, stderr).toBe(0)
      expect(before.size).toBe(takes)
      await expectOwn(lab, entry!, 'north')
      await north.json('vm', 'destroy', name, '--yes')
      for (const [vmid, text] of before) strangers.set(vmid, text)
    }
    for (const [vmid, text] of strangers) expect(await configText(lab, vmid), `VM ${vmid}`).toBe(text)
    process.stdout.write(
      `${strangers.size} VMIDs taken by VMs of a person, in ${runs} runs: none was changed\n`,
    )
  },
  TIMEOUT_MS,
)

test(
  `${WANTED / 2} VMIDs that two sites take at the same moment: each has the VM it made`,
  async () => {
    for (let round = 0; round < WANTED / 2; round++) await createAtOnce(lab, north, south, round)
    process.stdout.write(
      `${WANTED / 2} VMIDs taken by two sites at the same moment: each site has its own VM\n`,
    )
    expect(await north.registry.list()).toEqual([])
    expect(await south.registry.list()).toEqual([])
  },
  TIMEOUT_MS,
)
