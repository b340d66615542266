import { parseDenied } from '../proxmox/errors.mts'
import { exitCodes } from '../run/errors.mts'

/** A known cause behind Packer's words. */
interface Explanation {
  why: string
  hint: string
  exitCode?: number
}

interface KnownFailure {
  /** Found in one line of Packer's log. */
  pattern: RegExp
  explain(match: RegExpExecArray): Explanation
}

const known = (pattern: RegExp, why: string, hint: string, exitCode?: number): KnownFailure => ({
  pattern,
  explain: () => ({ why, hint, ...(exitCode !== undefined && { exitCode }) }),
})

/** In order: what is more telling comes first, since one failure often causes the next. */
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
    // A status, not a VMID or a size: Proxmox's own words follow it.
    /(?:^|[:>] )401 [A-Za-z]|authentication failure|Authentication failed/,
    'Proxmox refused the login',
    'zx scripts/credentials.mts check; Packer 1.6.x logs in with proxmox_password',
    exitCodes.denied,
  ),
  known(
    /certificate signed by unknown authority|x509: /,
    'the certificate of the API is not trusted',
    "set proxmox_ca_file to the cluster's CA (/etc/pve/pve-root-ca.pem), or proxmox_skip_tls_verify: true",
    exitCodes.denied,
  ),
  known(
    /(exit status|exit code): ?2\b/i,
    'a script ended with 2; where it is `cloud-init status --wait`, that is "degraded done", usually a deprecation',
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
    /bridge '?\S+'? does not exist|no physical interface on bridge/,
    'the bridge does not exist on the node',
    'correct `bridge` in config/proxmint.yaml',
  ),
  known(/No space left on device|out of space/i, 'a disk is full', 'free space on the storage, or here'),
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
    'look at its console in Proxmox during the next build; a base VM made by `base import` has the agent; the bridge needs DHCP and a route from here',
  ),
  known(/connection refused|no such host/, 'something could not be reached', 'see the line above'),
]

/** What is behind a failed build, where it is known. @param log Packer's output, line by line. */
export function explainFailure(log: string[]): Explanation | undefined {
  for (const { pattern, explain } of knownFailures) {
    for (const line of log) {
      const match = pattern.exec(line)
      if (match !== null) return explain(match)
    }
  }
  return undefined
}

/** Words of Proxmox for what passes by itself: a lock somebody else held for too long, a busy or restarting API. */
const transientWords =
  /can't lock file .* got timeout|got lock request timeout|got no worker upid|(?:^|[\s:>"'])(?:50[234] (?:Bad|Service|Gateway)|59[5-9] [A-Z])/

/** Whether Proxmox's words tell of something that passes by itself. */
export function isTransientText(text: string): boolean {
  return transientWords.test(text)
}

/**
 * Whether a failed build may succeed unchanged. What was denied or is invalid never does, whatever else is in the log.
 * @param log Packer's output, line by line; a failed task's last words are among it.
 */
export function isTransientFailure(log: string[]): boolean {
  const { exitCode } = explainFailure(log) ?? {}
  if (exitCode === exitCodes.denied || exitCode === exitCodes.invalid) return false
  return errorLines(log).some(isTransientText)
}

/** How apt, and many other programs, begin the line that matters; Packer's name of the build comes before it. */
const toldByProgram = /(?:^|: )E: | error: /

/** Packer's words at the start of a provisioner. */
const provisionerStart = /==> \S+: (?:Provisioning with|Uploading) /

/** The last words of a script that failed, and the lines of Packer's log that tell of errors, the last few. */
export function errorLines(log: string[]): string[] {
  const failed = log.findIndex(line => line.includes('Provisioning step had errors'))
  const errors = log
    .slice(Math.max(failed, 0))
    .filter(line => /error|fail|timeout/i.test(line) && !/^==> Wait completed/.test(line))
  return errors.length > 0 ? [...lastWords(log, failed), ...errors.slice(-6)] : log.slice(-6)
}

/** The end of what the last provisioner printed, and before it what it called an error. */
function lastWords(log: string[], failed: number): string[] {
  if (failed < 0) return []
  const end = Math.max(failed - 3, 0)
  const start = log.findLastIndex((line, index) => index < failed && provisionerStart.test(line))
  const told = log.slice(Math.max(start, 0), end).filter(line => toldByProgram.test(line))
  return [...told.slice(-3), ...log.slice(end, failed)]
}
