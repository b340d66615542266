/** Finds out what cloud-init came to in a VM that has booted. */
import { setTimeout as sleep } from 'node:timers/promises'
import { loginsOf } from '../../cloud-init/logins.mts'
import { gecosOf, type OutcomeFiles, outcomeOf } from '../../cloud-init/outcome.mts'
import type { ProxmoxClient } from '../../proxmox/client.mts'
import type { Entry } from '../../registry/entry.mts'
import { interrupted, ProxmintError } from '../../run/errors.mts'
import type { Progress } from '../../run/progress.mts'
import { byAgent, bySsh, type ReadInside } from './inside.mts'

/** Longest times, in milliseconds, and the pause between two looks. */
interface Patience {
  /** For cloud-init to end. */
  end: number
  /** For cloud-init to begin, and for a way into the VM to open. */
  begin: number
  pause: number
}

const PATIENCE = { begin: 20_000, pause: 1000 }

/** Result of a look into a VM. */
interface Inside {
  /** Why nobody could look; undefined if somebody did. */
  unseen: string | undefined
  /** Messages of cloud-init that are no failure. */
  warnings: string[]
}

/**
 * Waits for the end of cloud-init and reads what it came to: by the guest agent, or else by SSH with the keys of whoever
 * runs the command.
 * @param userData as rendered; it names the account that cloud-init makes.
 * @param endMs longest wait for the end of cloud-init.
 * @param ranBefore a failure of cloud-init is a warning then: the VM is in use.
 * @throws ProxmintError with cloud-init's own reason if it failed, or if the account is not there.
 */
export async function lookInside(
  { client, userData, endMs, ...vm }: LookInside,
  progress: Progress,
  signal: AbortSignal,
): Promise<Inside> {
  const { account } = await loginsOf(userData)
  return lookBy(waysInto(client, vm.entry, account), { ...vm, account }, progress, signal, {
    ...PATIENCE,
    end: endMs,
  })
}

interface LookInside extends Omit<LookedAt, 'account'> {
  client: ProxmoxClient
  userData: string
  endMs: number
}

function waysInto(client: ProxmoxClient, entry: Entry, account: string | undefined): Way[] {
  const agent = { name: 'guest agent', read: byAgent(client, entry) }
  const isOpen = account !== undefined && (entry.design?.cloudInit.sshAuthorizedKeys.length ?? 0) > 0
  return isOpen ? [agent, { name: 'SSH', read: bySsh(entry, account) }] : [agent]
}

/** A VM that is looked into, with the account that its user-data makes. */
interface LookedAt {
  entry: Entry
  account: string | undefined
  ranBefore: boolean
}

interface Way {
  name: string
  read: ReadInside
}

/** Tries one way after the other. */
export async function lookBy(
  ways: Way[],
  vm: LookedAt,
  progress: Progress,
  signal: AbortSignal,
  patience: Patience,
): Promise<Inside> {
  const reasons: string[] = []
  for (const { name, read } of ways) {
    const found = await waitForEnd(read, vm, { progress, signal, patience })
    if ('unseen' in found) reasons.push(found.unseen)
    else return { unseen: undefined, warnings: judged(found.files, vm, name) }
  }
  return { unseen: reasons.join('; '), warnings: [] }
}

async function waitForEnd(
  read: ReadInside,
  { entry, account, ranBefore }: LookedAt,
  { progress, signal, patience }: { progress: Progress; signal: AbortSignal; patience: Patience },
): Promise<{ files: OutcomeFiles } | { unseen: string }> {
  const start = Date.now()
  for (;;) {
    const reading = await read(signal)
    if (signal.aborted) throw interrupted(`verify ${entry.name}`)
    const waited = Date.now() - start
    if ('refused' in reading && waited > patience.begin) {
      // Its owner may have taken the key out.
      if (ranBefore) return { unseen: `SSH: ${reading.refused}` }
      throw refusedLogin(entry, account!, reading.refused)
    }
    if ('unseen' in reading && !(reading.later && waited <= patience.begin)) return reading
    if ('files' in reading) {
      const { state, stage } = outcomeOf(reading.files)
      if (state === 'ended') return reading
      if (state === 'absent' && waited > patience.begin) return { unseen: 'there is no cloud-init in it' }
      if (waited > patience.end) throw stillRuns(entry, account, patience.end)
      progress.update(`cloud-init: ${stage ?? 'begins'}`)
    }
    await sleep(patience.pause)
  }
}

/** @returns warnings. @throws ProxmintError for a failure. */
function judged(files: OutcomeFiles, { entry, account, ranBefore }: LookedAt, way: string): string[] {
  const outcome = outcomeOf(files)
  const warnings = [...outcome.errors, ...outcome.warnings]
  if (outcome.errors.length > 0 && !ranBefore) throw failedInside(entry, account, warnings, way)
  const { accounts } = files
  if (accounts === undefined || account === undefined) return warnings
  const gecos = gecosOf(accounts, account)
  const fault = gecos === undefined ? `it made no account ${account}` : tokenFault(entry, account, gecos)
  if (fault !== undefined) throw failedInside(entry, account, [fault, ...warnings], way)
  return warnings
}

/** libpam-web3 reads the token from the first part of the GECOS field. */
function tokenFault({ token }: Entry, account: string, gecos: string): string | undefined {
  if (token?.id == null || gecos.split(',')[0] === `nft=${token.id}`) return undefined
  return `the GECOS field of ${account} does not name token ${token.id}, so its wallet does not open the VM`
}

function failedInside(
  entry: Entry,
  account: string | undefined,
  [first, ...others]: string[],
  way: string,
): ProxmintError {
  const more = others.map((reason, index) => [`cloud-init, ${index + 2}`, reason])
  return new ProxmintError(`cloud-init of ${entry.name} failed: ${first}`, {
    facts: { ...Object.fromEntries(more), 'looked at by': way },
    hint: howToMend(entry, account),
  })
}

function refusedLogin(entry: Entry, account: string, said: string): ProxmintError {
  return new ProxmintError(`${entry.name} refuses the SSH key that ${account} was to accept`, {
    facts: { ssh: said },
    hint: 'cloud-init did not make the account; see the console in Proxmox, and /var/log/cloud-init.log in the VM',
  })
}

function stillRuns(entry: Entry, account: string | undefined, waitedMs: number): ProxmintError {
  return new ProxmintError(`cloud-init of ${entry.name} still runs after ${waitedMs / 1000} s`, {
    hint: `if it only is slow: first_boot_timeout_seconds in config/proxmint.yaml. ${howToMend(entry, account)}`,
  })
}

function howToMend({ name, address }: Entry, account = 'USER'): string {
  return (
    `\`ssh ${account}@${address} cloud-init status --long\` shows all of it. Mend it in the VM and reboot it there, or ` +
    `correct the template and make the VM anew: zx scripts/vm.mts destroy ${name}`
  )
}
