import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { temporaryFolder } from '../temporary.mts'

const minimal = 'test/fixtures/valid/packer/minimal/minimal.pkr.hcl'

/** The minimal template with one place changed, as the family `x`; gives the folder the family is in. */
export async function changedMinimal(from: string, to: string): Promise<string> {
  const root = await temporaryFolder()
  const text = await readFile(minimal, 'utf8')
  expect(text).toContain(from)
  await mkdir(join(root, 'x'))
  await writeFile(
    join(root, 'x', 'x.pkr.hcl'),
    text.replace(from, () => to),
  )
  return root
}
