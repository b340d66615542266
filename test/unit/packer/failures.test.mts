import { describe, expect, test } from 'vitest'
import { errorLines, explainFailure } from '../../../scripts/lib/packer/failures.mts'

const prefix = '2026-01-05T10:04:01Z: ==> proxmox-clone.debian: '

/** Lines as Packer prints them, with the cause behind them. */
const causes: [line: string, why: string, hint: string, exitCode?: number][] = [
  [
    'Error getting VM address: 403 Permission check failed (/vms/9000, VM.GuestAgent.Audit|VM.GuestAgent.Unrestricted)',
    'the identity of the build lacks VM.GuestAgent.Audit or VM.GuestAgent.Unrestricted on /vms/9000',
    '`zx scripts/check-permissions.mts` prints the pveum lines that close the gap',
    4,
  ],
  [
    'error creating Proxmox client: 401 authentication failure',
    'Proxmox refused the login',
    'zx scripts/credentials.mts check; Packer 1.6.x logs in with proxmox_password; a value in *.auto.pkrvars.* or PKR_VAR_ that sets proxmox_username or proxmox_token overrides the credentials',
    4,
  ],
  [
    'Error cloning VM: 401 Unauthorized',
    'Proxmox refused the login',
    'zx scripts/credentials.mts check; Packer 1.6.x logs in with proxmox_password; a value in *.auto.pkrvars.* or PKR_VAR_ that sets proxmox_username or proxmox_token overrides the credentials',
    4,
  ],
  [
    'Error: 401 No ticket',
    'Proxmox refused the login',
    'zx scripts/credentials.mts check; Packer 1.6.x logs in with proxmox_password; a value in *.auto.pkrvars.* or PKR_VAR_ that sets proxmox_username or proxmox_token overrides the credentials',
    4,
  ],
  [
    'Error: Unsupported Packer Core version',
    '`required_version` of the template does not allow this Packer',
    'install a Packer that it allows (`make setup`), or widen `required_version`; Debian and Ubuntu package 1.6.6',
    3,
  ],
  [
    "Error cloning VM: 500 pool 'nowhere' does not exist",
    'the pool does not exist, or Pool.Audit on it is missing',
    'correct `pool` in the template, or make the pool: pvesh create /pools --poolid NAME',
  ],
  [
    'Get "https://pve:8006/api2/json/version": tls: failed to verify certificate: x509: certificate signed by unknown authority',
    'the certificate of the API is not trusted',
    "set proxmox_ca_file to the cluster's CA (/etc/pve/pve-root-ca.pem), or proxmox_skip_tls_verify: true",
    4,
  ],
  [
    'Script exited with non-zero exit status: 2. Allowed exit codes are: [0]',
    'a script ended with 2; for `cloud-init status --wait` that means "degraded done", usually a deprecation',
    'valid_exit_codes = [0, 2] in that provisioner',
  ],
  [
    'Error starting VM: VM 9010 already running',
    'Packer 1.6.x takes the start of a VM that ended with a warning for a failure, and starts it again',
    'install Packer 1.10 or newer (`make setup`); the log of the start in Proxmox has the warning. If it is about certificates of an EFI disk: update pve-edk2-firmware on the node, delete the base VM, and import it again',
  ],
  [
    "Error cloning VM: can't lock file '/var/lock/qemu-server/lock-9900.conf' - got timeout",
    'another operation held the VM or its base for too long',
    'run it again; build fewer at once from one storage',
  ],
  [
    'Error cloning VM: unable to create VM 9000: config file already exists',
    'somebody else took the VMID between the check and the clone',
    'run it again: another VMID is chosen',
  ],
  [
    "Error cloning VM: 500 unable to create VM 9000 - VM 9000 already exists on node 'pve'",
    'somebody else took the VMID between the check and the clone',
    'run it again: another VMID is chosen',
  ],
  [
    "Error updating VM: 500 storage 'tank' does not exist",
    'the storage does not exist',
    'correct proxmox_storage_pool',
  ],
  [
    "Error starting VM: bridge 'vmbr7' does not exist",
    'the bridge does not exist on the node',
    'correct `bridge` in config/proxmint.yaml',
  ],
  [
    'Error uploading script: write /tmp/script_1.sh: no space left on device',
    'a disk is full',
    'free space on the storage, or here',
  ],
  [
    'Error getting VM address: 500 No QEMU guest agent configured',
    'the VM has no channel for the guest agent',
    'qemu_agent = true in the template',
  ],
  [
    "Error finding VM: vm 'proxmint-base-debian-12' not found",
    'the base VM is not there, or VM.Audit on it is missing',
    'zx scripts/base.mts import OS; zx scripts/check-permissions.mts',
  ],
  [
    'Error: Unsupported argument',
    'this Packer does not know an attribute of the template',
    'correct the attribute; if the packaged Packer 1.6.x ran, install Packer 1.10 or newer (`make setup`)',
    3,
  ],
  [
    'Timeout waiting for SSH.',
    'the guest did not answer on SSH in time: it did not boot, its agent is not installed, or its address cannot be reached from here',
    'look at its console in Proxmox during the next build; a base VM made by `base import` has the agent; the bridge needs DHCP and a route from here. A node without KVM needs more time: build_boot_timeout_seconds in config/proxmint.yaml',
  ],
  [
    'dial tcp 192.0.2.10:8006: connect: connection refused',
    'something could not be reached',
    'see the line above',
  ],
]

describe('the cause behind a line of the log', () => {
  test.each(causes)('%s', (line, why, hint, exitCode) => {
    const expected = { why, hint, ...(exitCode !== undefined && { exitCode }) }
    expect(explainFailure([`${prefix}Creating VM`, `${prefix}${line}`])).toEqual(expected)
  })

  test.each([
    ['nothing that is known', 'Error running script: something else'],
    ['another exit code', 'Script exited with non-zero exit status: 20'],
    ['a VMID that looks like a status', 'Error cloning VM 9401 of node pve'],
    ['a VM 401', 'Error cloning VM 401 of node pve'],
    ['a size that looks like a status', 'Get:1 linux-image 401 kB'],
    ['another storage message', 'using storage tank'],
  ])('none: %s', (_, line) => {
    expect(explainFailure([`${prefix}${line}`])).toBeUndefined()
  })

  test('none: an empty log', () => {
    expect(explainFailure([])).toBeUndefined()
  })
})

describe('of two causes, the one that led to the other', () => {
  test.each<[string, string, string]>([
    [
      'a refusal before the timeout it causes',
      'Permission check failed (/vms/1, VM.Audit)',
      'Timeout waiting for SSH.',
    ],
    ['a login before the VM that is not seen', 'x: 401 No ticket', "vm 'base' not found"],
    ['a script before the connection it cut', 'exit status: 2.', 'connection refused'],
  ])('%s', (_, cause, effect) => {
    const explained = explainFailure([cause])
    expect(explained).toBeDefined()
    expect(explainFailure([effect])).not.toEqual(explained)
    expect(explainFailure([effect, cause])).toEqual(explained)
    expect(explainFailure([cause, effect])).toEqual(explained)
  })
})

describe('the lines of a log that tell of errors', () => {
  test.each<[string, string[], string[]]>([
    ['only those', ['Creating VM', 'Error: no', 'Stopping'], ['Error: no']],
    ['of any case and kind', ['ERROR a', 'b failed', 'Timeout c'], ['ERROR a', 'b failed', 'Timeout c']],
    ['without the closing remark', ['Error: no', '==> Wait completed after 5 s with 1 error'], ['Error: no']],
    [
      'the last six',
      Array.from({ length: 9 }, (_, i) => `error ${i}`),
      [3, 4, 5, 6, 7, 8].map(i => `error ${i}`),
    ],
    [
      'the end of the log where none does',
      ['1', '2', '3', '4', '5', '6', '7'],
      ['2', '3', '4', '5', '6', '7'],
    ],
    [
      'the last words of the script that failed, and nothing before',
      [
        'error: old',
        'a',
        'b',
        'c',
        'no such mirror',
        'Provisioning step had errors: x',
        'y',
        'exit status 1 (error)',
      ],
      ['b', 'c', 'no such mirror', 'Provisioning step had errors: x', 'exit status 1 (error)'],
    ],
    [
      'what the last provisioner called an error, also before its last words',
      [
        '==> proxmox-clone.debian: Provisioning with shell script: a.sh',
        '    proxmox-clone.debian: E: told by another script',
        '==> proxmox-clone.debian: Provisioning with shell script: b.sh',
        '    proxmox-clone.debian: Building dependency tree...',
        '==> proxmox-clone.debian: E: Unable to locate package htop',
        '    proxmox-clone.debian: make: error: no rule',
        '    proxmox-clone.debian: one',
        '    proxmox-clone.debian: two',
        '    proxmox-clone.debian: three',
        '==> proxmox-clone.debian: Provisioning step had errors: Running the cleanup provisioner, if present...',
      ],
      [
        '==> proxmox-clone.debian: E: Unable to locate package htop',
        '    proxmox-clone.debian: make: error: no rule',
        '    proxmox-clone.debian: one',
        '    proxmox-clone.debian: two',
        '    proxmox-clone.debian: three',
        '==> proxmox-clone.debian: Provisioning step had errors: Running the cleanup provisioner, if present...',
      ],
    ],
    ['nothing of nothing', [], []],
  ])('%s', (_, log, expected) => {
    expect(errorLines(log)).toEqual(expected)
  })
})
