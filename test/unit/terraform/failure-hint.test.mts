import { expect, test } from 'vitest'
import { hintForFailure } from '../../../scripts/lib/terraform/failure-hint.mts'

test.each([
  [
    'REMOTE HOST IDENTIFICATION HAS CHANGED for host 127.0.0.1:2222! This may indicate a MitM attack',
    'ssh-keygen -R',
  ],
  [
    'failed to open SSH client: failed to dial pve:22: dial tcp 10.0.0.1:22: connect: connection refused',
    'cannot be reached from here',
  ],
  ['unable to authenticate user "root" over SSH to "pve:22"', 'proxmox_ssh_user'],
  ["hostname lookup 'pve9' failed - failed to get address info", 'tofu state rm'],
  ['Error: Error acquiring the state lock', 'force-unlock'],
])('%s', (words, hint) => {
  expect(hintForFailure(`Error: boom\n${words}\n`)).toContain(hint)
})

test('of what is not known nothing is said', () => {
  expect(hintForFailure('Error: the storage is full')).toBeUndefined()
})
