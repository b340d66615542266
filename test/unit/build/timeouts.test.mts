/** Time-outs that the config gives a template family. */
import { afterEach, expect, test, vi } from 'vitest'
import { timeoutVariables } from '../../../scripts/lib/build/variables.mts'
import { loadTemplate } from '../../../scripts/lib/packer/template.mts'

afterEach(() => vi.unstubAllEnvs())

const slow = { buildBootTimeoutSeconds: 1800 }

test.each([
  ['debian', { ssh_timeout: '1800s' }],
  ['windows', { winrm_timeout: '1800s' }],
  ['talos', {}],
])('%s', async (os, variables) => {
  const template = await loadTemplate(os)
  expect(timeoutVariables(template, slow)).toEqual(variables)
  expect(timeoutVariables(template, { buildBootTimeoutSeconds: undefined })).toEqual({})
})

test('a variable of the environment counts more', async () => {
  vi.stubEnv('PKR_VAR_ssh_timeout', '2h')
  expect(timeoutVariables(await loadTemplate('debian'), slow)).toEqual({})
})
