/** `make demo`, from the first command to the last, on a lab of its own. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { loadDocument } from '../unit/documents.mts'
import { repository } from './workspace.mts'

const run = promisify(execFile)

/** As they stand in the README: `1.8 s  start an embedded Proxmox VE`. */
async function stepsOfTheReadme(): Promise<string[]> {
  const { text } = await loadDocument('README.md')
  const lines = [...text.matchAll(/^ +[\d.]+ s {2}(.+)$/gm)].map(([, name]) => name!)
  return lines.filter(name => name !== 'in all')
}

test('it takes the steps that the README shows, and each succeeds', { timeout: 900_000 }, async () => {
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  const { stdout } = await run(process.execPath, [zx, 'scripts/demo.mts', '--json'], {
    cwd: repository,
    maxBuffer: 2 ** 26,
  })
  const { steps } = JSON.parse(stdout) as { steps: { name: string; seconds: number }[] }
  expect(steps.map(({ name }) => name)).toEqual(await stepsOfTheReadme())
})
