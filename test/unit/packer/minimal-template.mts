import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { temporaryFolder } from '../temporary.mts'

const minimal = 'test/fixtures/valid/packer/minimal/minimal.pkr.hcl'

/** The minimal template with one place changed, as the family `os`; gives the folder the family is in. */
export async function changedMinimal(from: string, to: string, os = 'x'): Promise<string> {
  const root = await temporaryFolder()
  const text = await readFile(minimal, 'utf8')
  expect(text).toContain(from)
  await mkdir(join(root, os))
  await writeFile(
    join(root, os, 'x.pkr.hcl'),
    text.replace(from, () => to),
  )
  return root
}
