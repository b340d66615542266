/** `make demo`, from the first command to the last, on a lab of its own. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { stepsOfTheReadme } from '../e2e/demo-steps.mts'
import { repository } from '../e2e/workspace.mts'

const run = promisify(execFile)

test('it takes the steps that the README shows, and each succeeds', { timeout: 900_000 }, async () => {
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  const { stdout } = await run(process.execPath, [zx, 'scripts/demo.mts', '--json'], {
    cwd: repository,
    maxBuffer: 2 ** 26,
  })
  const { steps } = JSON.parse(stdout) as { steps: { name: string; seconds: number }[] }
  expect(steps.map(({ name }) => name)).toEqual(await stepsOfTheReadme())
})
