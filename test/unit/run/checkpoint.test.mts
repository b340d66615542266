/** Every moment at which the code lets a run be killed is one that a test knows, and the other way round. */
import { glob, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import {
  ADOPT_CHECKPOINTS,
  BACKUP_CHECKPOINTS,
  BUILD_CHECKPOINTS,
  CHANGE_CHECKPOINTS,
  FILE_CHECKPOINTS,
  MINT_CHECKPOINTS,
  POWER_CHECKPOINTS,
  PREVIOUS_CHECKPOINTS,
  REBUILD_CHECKPOINTS,
  REPLACED_CHECKPOINTS,
  RESHAPE_CHECKPOINTS,
  RESTORE_CHECKPOINTS,
  TAKEN_BACK_CHECKPOINTS,
  TRIAL_CHECKPOINTS,
  TRIAL_END_CHECKPOINTS,
  UNDO_CHECKPOINTS,
  VM_CHECKPOINTS,
} from '../../checkpoints.mts'

const library = resolve(import.meta.dirname, '../../../scripts/lib')
const known = [
  ...ADOPT_CHECKPOINTS,
  ...BACKUP_CHECKPOINTS,
  ...BUILD_CHECKPOINTS,
  ...CHANGE_CHECKPOINTS,
  ...FILE_CHECKPOINTS,
  ...MINT_CHECKPOINTS,
  ...POWER_CHECKPOINTS,
  ...PREVIOUS_CHECKPOINTS,
  ...REBUILD_CHECKPOINTS,
  ...REPLACED_CHECKPOINTS,
  ...RESHAPE_CHECKPOINTS,
  ...RESTORE_CHECKPOINTS,
  ...TAKEN_BACK_CHECKPOINTS,
  ...TRIAL_CHECKPOINTS,
  ...TRIAL_END_CHECKPOINTS,
  ...UNDO_CHECKPOINTS,
  ...VM_CHECKPOINTS,
]

/** Each name as it stands in the code; `vm-${step}-planned` stands for several. */
async function namesInCode(): Promise<string[]> {
  const names: string[] = []
  for await (const file of glob('**/*.mts', { cwd: library })) {
    const text = await readFile(join(library, file), 'utf8')
    // A step of a VM names the moment after it.
    for (const [, name] of text.matchAll(/(?:\bcheckpoint\(|\breached: )['`]([^'`]+)['`]/g)) names.push(name!)
  }
  return names
}

const patternOf = (name: string): RegExp => new RegExp(`^${name.replaceAll(/\$\{\w+\}/g, '\\w+')}$`)

test('each is known by one name', () => {
  expect(new Set(known).size).toBe(known.length)
})

test('each of the code is known to the tests, and each of the tests is in the code', async () => {
  const names = await namesInCode()
  expect(names.filter(name => !known.some(one => patternOf(name).test(one)))).toEqual([])
  expect(known.filter(one => !names.some(name => patternOf(name).test(one)))).toEqual([])
})
