/** What is kept of a build, with a shell in the place of Packer. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { buildWithPacker } from '../../../scripts/lib/build/packer-run.mts'
import { failureOf } from '../failure.mts'
import { temporaryFolder } from '../temporary.mts'

const build = async (script: string) =>
  buildWithPacker(
    {
      os: 'debian',
      vmid: 9000,
      plan: { file: 'sh', args: ['-c', script] },
      logFolder: await temporaryFolder(),
      notes: ['in the copy of the template: dropped task_timeout (waits as it always does)'],
      onStart: async () => {},
    },
    new AbortController().signal,
  )

test('the log begins with what was changed in the template', async () => {
  const log = await build('echo "==> proxmox-clone.debian: Creating VM"')
  expect(await readFile(log, 'utf8')).toBe(
    'in the copy of the template: dropped task_timeout (waits as it always does)\n' +
      '==> proxmox-clone.debian: Creating VM\n',
  )
})

test('which is no part of what Packer says of a failure', async () => {
  const { message } = await failureOf(() => build('echo "the last words"; exit 3'))
  expect(message).toBe('packer build debian failed (exit code 3):\n  the last words')
})
