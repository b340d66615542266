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
  [
    'Error: Error acquiring the state lock\n\nError message: write .terraform.tfstate.lock.info: no space left on device',
    'a disk is full',
  ],
  ['Error reading local state: Unsupported state file format: syntax error at byte offset 100', 'is damaged'],
  ['Failed to load state: Unsupported state file format', '`vm destroy` works without it'],
  ['received an HTTP 500 response - Reason: VM is locked (backup)', 'qm unlock VMID'],
])('%s', (words, hint) => {
  expect(hintForFailure(`Error: boom\n${words}\n`)).toContain(hint)
})

test('of what is not known nothing is said', () => {
  expect(hintForFailure('Error: the storage is full')).toBeUndefined()
})
