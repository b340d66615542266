/** Ways to read files in a running VM. */
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { NO_LOGIN, sshServerOf } from '../../acceptance/ssh.mts'
import { OUTCOME_FILES, type OutcomeFiles } from '../../cloud-init/outcome.mts'
import { fingerprintOf } from '../../config/own-ssh-key.mts'
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { ProxmoxApiError, parseDenied } from '../../proxmox/errors.mts'
import { readGuestFile } from '../../proxmox/read-guest-file.mts'
import type { Entry } from '../../registry/entry.mts'
import { type CommandPlan, runCommand } from '../../run/exec.mts'

/** What was read; `unseen` says why nothing was. `later`: it may go better in a moment. */
export type Reading = { files: OutcomeFiles } | { unseen: string; later?: true } | { refused: string }

/** Reads the files once. */
export type ReadInside = (signal: AbortSignal) => Promise<Reading>

const NAMES = Object.keys(OUTCOME_FILES) as (keyof OutcomeFiles)[]

/** Reads by the guest agent, if the API token may read files by it. */
export function byAgent(client: ProxmoxClient, { node, vmid }: Entry): ReadInside {
  return async () => {
    try {
      const texts = await Promise.all(
        NAMES.map(name => readGuestFile(client, { node: node!, vmid }, OUTCOME_FILES[name])),
      )
      return { files: filesOf(texts) }
    } catch (error) {
      if (!(error instanceof ProxmoxApiError)) throw error
      return unseenByAgent(error)
    }
  }
}

function unseenByAgent({ status, reason }: ProxmoxApiError): Reading {
  if (status === 403) {
    const privilege = parseDenied(reason)?.privileges[0] ?? 'a privilege'
    return { unseen: `guest agent: the API token lacks ${privilege}` }
  }
  return { unseen: `guest agent: ${reason}`, ...(/not running/.test(reason) && { later: true }) }
}

function filesOf(texts: (string | undefined)[]): OutcomeFiles {
  return Object.fromEntries(NAMES.map((name, index) => [name, texts[index]])) as OutcomeFiles
}

/** Line before each file, and after the last one. */
const MARK = '@proxmint-file'
const SCRIPT = [
  ...NAMES.map(
    name =>
      `[ ! -r ${OUTCOME_FILES[name]} ] || { echo '${MARK} ${name}'; cat ${OUTCOME_FILES[name]}; echo; }`,
  ),
  `echo '${MARK} end'`,
].join('\n')

const SSH_TIMEOUT_MS = 30_000

/** Reads by SSH with the keys of whoever runs the command. */
export function bySsh(entry: Entry, account: string, env: NodeJS.ProcessEnv = process.env): ReadInside {
  return async signal => {
    const { stdout, stderr, code, timedOut } = await runCommand(sshPlan(entry, account, env), {
      signal,
      timeoutMs: SSH_TIMEOUT_MS,
      graceMs: 1000,
    })
    if (code === 0 && stdout.includes(`${MARK} end`)) return { files: parseFiles(stdout) }
    if (timedOut) return { unseen: 'SSH: timed out' }
    if (code !== NO_LOGIN) return { unseen: `SSH: the login shell ended with ${code}` }
    return unseenBySsh(entry, stderr)
  }
}

/** Plans a login that asks nobody, forwards nothing, and refuses a host key other than the one in `known_hosts`. */
function sshPlan({ vmid, address }: Entry, account: string, env: NodeJS.ProcessEnv): CommandPlan {
  const { host, port } = sshServerOf(vmid, address, env)
  const options = [
    ...['BatchMode=yes', 'PreferredAuthentications=publickey', 'LogLevel=DEBUG1', 'ConnectTimeout=5'],
    ...['ConnectionAttempts=1', 'ServerAliveInterval=5', 'ServerAliveCountMax=2'],
    ...['ForwardAgent=no', 'ForwardX11=no', 'ClearAllForwardings=yes', 'PermitLocalCommand=no'],
    ...['ControlMaster=no', 'ControlPath=none', 'RemoteCommand=none', 'RequestTTY=no'],
    // A new host key is taken for this login, and written down nowhere.
    ...['StrictHostKeyChecking=accept-new', 'UserKnownHostsFile=/dev/null'],
    `GlobalKnownHostsFile=${JSON.stringify(join(homedir(), '.ssh', 'known_hosts'))}`,
  ].flatMap(option => ['-o', option])
  return {
    file: 'ssh',
    args: [...options, ...ownKeys(), '-p', String(port), '-l', account, host, 'sh -s'],
    input: SCRIPT,
  }
}

/** Private keys of the person. OpenSSH itself looks in the home folder of the user database, whatever HOME says. */
function ownKeys(): string[] {
  return ['id_ed25519', 'id_ecdsa', 'id_rsa', 'id_ed25519_sk', 'id_ecdsa_sk']
    .map(name => join(homedir(), '.ssh', name))
    .filter(file => existsSync(file))
    .flatMap(file => ['-i', file])
}

function parseFiles(output: string): OutcomeFiles {
  const parts = output.split(`${MARK} `).slice(1)
  const texts = NAMES.map(name => {
    const part = parts.find(one => one.startsWith(`${name}\n`))
    return part?.slice(name.length + 1)
  })
  return filesOf(texts)
}

function unseenBySsh({ address, design }: Entry, stderr: string): Reading {
  if (/host key verification failed|identification has changed/i.test(stderr)) {
    return {
      unseen: `SSH: known_hosts has another host key of ${address}; ssh-keygen -R ${address} forgets it`,
    }
  }
  const lines = stderr.split('\n').filter(line => !/^(debug\d|OpenSSH_|Warning: Permanently)/.test(line))
  const said = lines.findLast(line => line.trim() !== '')?.trim() ?? 'no login'
  if (!/permission denied/i.test(said)) {
    return { unseen: `SSH: ${said}`, ...(/refused|closed|reset/i.test(said) && { later: true }) }
  }
  const offered = offeredKeys(stderr)
  const accepted = (design?.cloudInit.sshAuthorizedKeys ?? []).map(fingerprintOf)
  return accepted.some(key => offered.has(key)) ? { refused: said } : { unseen: `SSH: ${said}` }
}

/** Fingerprints of the keys that the client offered, in the words of its log. */
function offeredKeys(log: string): Set<string> {
  return new Set(
    Array.from(log.matchAll(/^debug1: Offering public key: .*(SHA256:\S+)/gm), match => match[1]!),
  )
}
