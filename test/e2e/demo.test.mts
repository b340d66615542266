/** The beginning of `make demo`, and its end by Ctrl-C; whole: test/nightly/demo.test.mts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { exitCodes } from '../../scripts/lib/run/errors.mts'
import { stepsOfTheReadme } from './demo-steps.mts'
import { repository } from './workspace.mts'

const BASE_STEP = 3

test('the first steps are those of the README, and Ctrl-C ends the lab too', async () => {
  const expected = await stepsOfTheReadme()
  const zx = join(repository, 'node_modules/zx/build/cli.js')
  const demo = spawn(process.execPath, [zx, 'scripts/demo.mts'], { cwd: repository, stdio: 'pipe' })
  const closed = once(demo, 'close')
  let output = ''
  const steps = () => [...output.matchAll(/^== (.+): [\d.]+ s$/gm)].map(([, name]) => name!)
  demo.stderr.on('data', chunk => {
    output += chunk
  })
  demo.stdout.on('data', chunk => {
    const before = steps().length
    output += chunk
    if (before < BASE_STEP && steps().length >= BASE_STEP) demo.kill('SIGINT')
  })
  const [code] = await closed
  expect(code, output).toBe(exitCodes.interrupted)
  expect(output).toContain('error: interrupted: ')
  expect(steps().slice(0, BASE_STEP)).toEqual(expected.slice(0, BASE_STEP))
  const { hostname, port } = new URL(/^https:.+$/m.exec(output)![0])
  await expect(once(connect(Number(port), hostname), 'connect')).rejects.toThrow('ECONNREFUSED')
})
