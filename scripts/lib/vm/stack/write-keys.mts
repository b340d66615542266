/** Writes SSH keys into a VM that runs. cloud-init reads them at the first boot alone. */
import { ProxmoxApiError, parseDenied } from '../../proxmox/errors.mts'
import { runInGuest } from '../../proxmox/run-in-guest.mts'
import type { VmRef } from '../../proxmox/vm-ref.mts'
import { exitCodes, messageOf, ProxmintError } from '../../run/errors.mts'
import type { Connection } from '../../site/connect.mts'

const TIMEOUT_MS = 60_000

/**
 * Adds keys to `authorized_keys` of an account. Keys that are there stay, and none is added twice.
 * @param account login name, as the table of options allows it.
 * @throws ProxmintError (denied) if the API token may run nothing in the VM; also if the agent does not answer, or if the
 *   account is not there.
 */
export async function writeKeys(
  { client }: Pick<Connection, 'client'>,
  vm: VmRef,
  account: string,
  keys: readonly string[],
): Promise<void> {
  const ran = await runInGuest(client, vm, scriptFor(account, keys), TIMEOUT_MS).catch(error => {
    throw notWritten(vm, error)
  })
  if (ran.code === 0) return
  throw new ProxmintError(`the keys were not written into VM ${vm.vmid}`, {
    facts: { 'the guest says': ran.stderr.trim().split('\n').at(-1) },
    hint: `is there an account ${account} in it, and a folder that is its home?`,
  })
}

/** Runs as the account itself: a link in its home leads to no file of root's. */
function scriptFor(account: string, keys: readonly string[]): string {
  return [
    `su -s /bin/sh ${account} <<'PROXMINT_SCRIPT'`,
    'set -eu',
    'umask 077',
    `mkdir -p ~${account}/.ssh`,
    `file=~${account}/.ssh/authorized_keys`,
    'touch "$file"',
    // A last line without an end would take the first key into itself.
    '[ -z "$(tail -c 1 "$file")" ] || echo >> "$file"',
    'while IFS= read -r key; do',
    '  grep -qxF -e "$key" "$file" || printf "%s\\n" "$key" >> "$file"',
    "done <<'PROXMINT_KEYS'",
    ...keys,
    'PROXMINT_KEYS',
    'PROXMINT_SCRIPT',
  ].join('\n')
}

function notWritten({ vmid }: VmRef, error: unknown): unknown {
  if (!(error instanceof ProxmoxApiError)) return error
  const privilege = error.status === 403 ? parseDenied(error.reason)?.privileges.join(' or ') : undefined
  const why = privilege === undefined ? messageOf(error) : `the API token lacks ${privilege}`
  return new ProxmintError(`the keys were not written into VM ${vmid}: ${why}`, {
    hint: 'the next rebuild has them; or add them in the VM by hand: ~/.ssh/authorized_keys',
    cause: error,
    exitCode: privilege === undefined ? exitCodes.failed : exitCodes.denied,
  })
}
