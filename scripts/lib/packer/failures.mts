/** Explains failed builds by Packer's log. */

import { parseDenied } from '../proxmox/errors.mts'
import { exitCodes } from '../run/errors.mts'

/** Known cause of a failure. */
interface Explanation {
  why: string
  hint: string
  exitCode?: number
}

interface KnownFailure {
  /** Matches one line of Packer's log. */
  pattern: RegExp
  explain(match: RegExpExecArray): Explanation
}

function known(pattern: RegExp, why: string, hint: string, exitCode?: number): KnownFailure {
  return { pattern, explain: () => ({ why, hint, ...(exitCode !== undefined && { exitCode }) }) }
}

/** Known failures, causes before consequences: one failure often leads to the next. */
export const knownFailures: readonly KnownFailure[] = [
  {
    pattern: /Permission check failed \([^)]*\)/,
    explain(match) {
      const denied = parseDenied(match[0])
      const what = denied && `${denied.privileges.join(' or ')} on ${denied.path}`
      return {
        why: `the identity of the build lacks ${what ?? 'a privilege'}`,
        hint: '`zx scripts/check-permissions.mts` prints the pveum lines that close the gap',
        exitCode: exitCodes.denied,
      }
    },
  },
  known(
    // A status is followed by a message of Proxmox, unlike a VMID or a size.
    /(?:^|[:>] )401 [A-Za-z]|authentication failure|Authentication failed/,
    'Proxmox refused the login',
    'zx scripts/credentials.mts check; Packer 1.6.x logs in with proxmox_password; a value in *.auto.pkrvars.* or PKR_VAR_ that sets proxmox_username or proxmox_token overrides the credentials',
    exitCodes.denied,
  ),
  known(
    /Unsupported Packer Core version|does not support Packer version/,
    '`required_version` of the template does not allow this Packer',
    'install a Packer that it allows (`make setup`), or widen `required_version`; Debian and Ubuntu package 1.6.6',
    exitCodes.invalid,
  ),
  known(
    /certificate signed by unknown authority|x509: /,
    'the certificate of the API is not trusted',
    "set proxmox_ca_file to the cluster's CA (/etc/pve/pve-root-ca.pem), or proxmox_skip_tls_verify: true",
    exitCodes.denied,
  ),
  known(
    /(exit status|exit code): ?2\b/i,
    'a script ended with 2; for `cloud-init status --wait` that means "degraded done", usually a deprecation',
    'valid_exit_codes = [0, 2] in that provisioner',
  ),
  known(
    /can't lock file .* got timeout/,
    'another operation held the VM or its base for too long',
    'run it again; build fewer at once from one storage',
  ),
  known(
    /VM (\d+) already exists|config file already exists/,
    'somebody else took the VMID between the check and the clone',
    'run it again: another VMID is chosen',
  ),
  known(
    /no such storage|storage '.*' does not exist/,
    'the storage does not exist',
    'correct proxmox_storage_pool',
  ),
  known(
    /pool '[^']*' does not exist/,
    'the pool does not exist, or Pool.Audit on it is missing',
    'correct `pool` in the template, or make the pool: pvesh create /pools --poolid NAME',
  ),
  known(
    /bridge '?\S+'? does not exist|no physical interface on bridge/,
    'the bridge does not exist on the node',
    'correct `bridge` in config/proxmint.yaml',
  ),
  known(/No space left on device|out of space/i, 'a disk is full', 'free space on the storage, or here'),
  known(
    /Error starting VM: VM \d+ already running/,
    'Packer 1.6.x takes the start of a VM that ended with a warning for a failure, and starts it again',
    'install Packer 1.10 or newer (`make setup`); the log of the start in Proxmox has the warning. If it is about certificates of an EFI disk: update pve-edk2-firmware on the node, delete the base VM, and import it again',
  ),
  known(
    /No QEMU guest agent configured/,
    'the VM has no channel for the guest agent',
    'qemu_agent = true in the template',
  ),
  known(
    /vm '.*' not found|Error finding .*VM|source VM .* not found/i,
    'the base VM is not there, or VM.Audit on it is missing',
    'zx scripts/base.mts import OS; zx scripts/check-permissions.mts',
  ),
  known(
    /Unsupported argument/,
    'this Packer does not know an attribute of the template',
    'correct the attribute; if the packaged Packer 1.6.x ran, install Packer 1.10 or newer (`make setup`)',
    exitCodes.invalid,
  ),
  known(
    /Timeout waiting for SSH|timeout waiting for SSH/i,
    'the guest did not answer on SSH in time: it did not boot, its agent is not installed, or its address cannot be reached from here',
    'look at its console in Proxmox during the next build; a base VM made by `base import` has the agent; the bridge needs DHCP and a route from here. A node without KVM needs more time: build_boot_timeout_seconds in config/proxmint.yaml',
  ),
  known(/connection refused|no such host/, 'something could not be reached', 'see the line above'),
]

/** Finds the known cause of a failed build. @param log Packer's output, line by line. */
export function explainFailure(log: string[]): Explanation | undefined {
  for (const { pattern, explain } of knownFailures) {
    for (const line of log) {
      const match = pattern.exec(line)
      if (match !== null) return explain(match)
    }
  }
  return undefined
}

/** Messages of Proxmox for temporary failures: a lock that was held for too long, a busy or restarting API. */
const TRANSIENT =
  /can't lock file .* got timeout|got lock request timeout|got no worker upid|(?:^|[\s:>"'])(?:50[234] (?:Bad|Service|Gateway)|59[5-9] [A-Z])/

/** True if a message of Proxmox means a temporary failure. */
export function isTransientText(text: string): boolean {
  return TRANSIENT.test(text)
}

/**
 * Decides whether the same build may succeed later. A denied or invalid build never does.
 * @param log Packer's output, line by line, with the last lines of a failed task.
 */
export function isTransientFailure(log: string[]): boolean {
  const { exitCode } = explainFailure(log) ?? {}
  if (exitCode === exitCodes.denied || exitCode === exitCodes.invalid) return false
  return errorLines(log).some(isTransientText)
}

/** Beginning of an error line of apt and many other programs, after Packer's name of the build. */
const ERROR_OF_PROGRAM = /(?:^|: )E: | error: /

/** Line of Packer at the start of a provisioner. */
const PROVISIONER_START = /==> \S+: (?:Provisioning with|Uploading) /

/** Last lines of the failed script, and the last six error lines of Packer's log. */
export function errorLines(log: string[]): string[] {
  const failed = log.findIndex(line => line.includes('Provisioning step had errors'))
  const errors = log
    .slice(Math.max(failed, 0))
    .filter(line => /error|fail|timeout/i.test(line) && !/^==> Wait completed/.test(line))
  return errors.length > 0 ? [...lastWords(log, failed), ...errors.slice(-6)] : log.slice(-6)
}

/** Last three lines of the last provisioner, and before them its last three error lines. */
function lastWords(log: string[], failed: number): string[] {
  if (failed < 0) return []
  const end = Math.max(failed - 3, 0)
  const start = log.findLastIndex((line, index) => index < failed && PROVISIONER_START.test(line))
  const told = log.slice(Math.max(start, 0), end).filter(line => ERROR_OF_PROGRAM.test(line))
  return [...told.slice(-3), ...log.slice(end, failed)]
}
