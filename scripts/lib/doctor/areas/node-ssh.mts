import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Credentials } from '../../credentials/credentials.mts'
import type { ProxmoxClient } from '../../proxmox/client.mts'
import { getNodeAddress } from '../../proxmox/get-node-address.mts'
import { exitCodes, ProxmintError } from '../../run/errors.mts'
import { type CommandPlan, type CommandResult, runCommand } from '../../run/exec.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, ok } from '../diagnosis.mts'
import { openKnownHosts, shownHostKeys } from '../host-keys.mts'
import { valueIn } from '../look.mts'
import { lookInProxmox } from '../session.mts'

const TIMEOUT_MS = 10_000
const ALTERNATIVE = 'or set `cloud_init.delivery: iso` in config/vm.yaml, which takes the API'

/** User and address of an SSH login to the node. */
interface NodeAccount {
  user: string
  host: string
}

interface NodeLogin extends NodeAccount {
  /** Host keys that the node shows, if none is pinned in the credentials. */
  unpinned: string[] | undefined
}

/** SSH login to the node if user-data travels as a snippet. Undefined if it does not. */
export const nodeSsh: DoctorCheck<NodeLogin | undefined> = {
  area: 'node SSH',
  look: async ({ session, defaults }) => {
    const delivery = valueIn(await defaults)?.cloudInit.delivery
    if (delivery !== 'snippet') return { value: undefined }
    return lookInProxmox(session, ({ client, credentials }) => tryNodeSsh(client, credentials))
  },
  judge: login => {
    if (login === undefined) return [ok('node SSH', 'not needed')]
    const pin = login.unpinned === undefined ? [] : [unpinned(login, login.unpinned)]
    return [ok('node SSH', `${login.user}@${login.host}`), ...pin]
  },
}

function unpinned({ host }: NodeAccount, [key]: string[]): Diagnosis {
  const file = 'secrets/proxmox-creds.enc.yaml'
  return {
    area: 'node SSH',
    level: 'note',
    what: `the SSH host key of ${host} is not pinned: the first key that is seen there is trusted`,
    fix:
      `compare it with /etc/ssh/ssh_host_*_key.pub on the node, since the network may have shown another; then ` +
      `sops edit ${file}, and add the line:\nproxmox_ssh_host_key: ${key ?? 'TYPE KEY'}`,
  }
}

/**
 * Logs in to the node as the provider of Terraform does for a snippet, and out again. Nothing is written, not even to
 * `known_hosts`.
 * @throws ProxmintError with the remedy.
 */
async function tryNodeSsh(client: ProxmoxClient, { node, ssh, sshHostKey }: Credentials): Promise<NodeLogin> {
  const user = ssh?.user ?? process.env['PROXMOX_VE_SSH_USERNAME']
  const privateKey = ssh?.privateKey ?? process.env['PROXMOX_VE_SSH_PRIVATE_KEY']
  if (user === undefined || privateKey === undefined) throw noLogin()
  const host = (await getNodeAddress(client, node)) ?? node
  await using pinned = await openKnownHosts(sshHostKey)
  const result = await runCommand(loginPlan({ user, host, privateKey }, pinned.path), {
    timeoutMs: TIMEOUT_MS,
    graceMs: 1000,
  })
  const fault = sshFault({ user, host }, result, sshHostKey !== undefined)
  if (fault !== undefined) throw fault
  return { user, host, unpinned: sshHostKey === undefined ? await shownHostKeys(host) : undefined }
}

function noLogin(): ProxmintError {
  return new ProxmintError(
    "config/vm.yaml has user-data travel by the node's SSH, and the credentials hold no login for it",
    {
      hint: `add proxmox_ssh_user and proxmox_ssh_private_key: sops edit secrets/proxmox-creds.enc.yaml; ${ALTERNATIVE}`,
      exitCode: exitCodes.denied,
    },
  )
}

/**
 * Plans a login. A pipe carries the key to an agent that lives as long as the login, so the key touches no disk. A host
 * key that changed is refused, as the provider does; a new one is accepted and not saved, unless keys are pinned.
 * @param pinned `known_hosts` file with the pinned keys.
 */
export function loginPlan(
  { user, host, privateKey }: NodeAccount & { privateKey: string },
  pinned?: string,
): CommandPlan {
  const known = pinned ?? join(homedir(), '.ssh', 'known_hosts')
  const options = [
    'BatchMode=yes',
    `StrictHostKeyChecking=${pinned === undefined ? 'accept-new' : 'yes'}`,
    'UserKnownHostsFile=/dev/null',
    `GlobalKnownHostsFile=${JSON.stringify(known)}`,
    'ConnectTimeout=5',
    'LogLevel=ERROR',
  ].flatMap(option => ['-o', option])
  const remote = 'if [ "$(id -u)" != 0 ]; then sudo -n true; fi'
  const ssh = ['ssh', '-F', 'none', ...options, '-l', user, host, remote]
  const script = 'ssh-add -q - && exec "$0" "$@" </dev/null'
  return { file: 'ssh-agent', args: ['sh', '-c', script, ...ssh], input: `${privateKey.trim()}\n` }
}

const CAUSES: [RegExp, (account: NodeAccount) => string][] = [
  [
    /host key verification failed|identification has changed|no matching host key type/i,
    ({ host }) =>
      `the node has another SSH host key than the last time. If it was installed anew: ssh-keygen -R ${host}; if not, somebody may stand in between`,
  ],
  [
    /permission denied/i,
    ({ user, host }) =>
      `put the public half of proxmox_ssh_private_key into ~${user}/.ssh/authorized_keys on ${host}; ${ALTERNATIVE}`,
  ],
  [
    /sudo/i,
    ({ user }) =>
      `the user must be root, or become it without a password: as root on the node, in /etc/sudoers.d: ${user} ALL=(root) NOPASSWD: ALL`,
  ],
  [
    /error loading key|invalid format|passphrase/i,
    () => 'proxmox_ssh_private_key must be a private key of OpenSSH without a passphrase, all its lines',
  ],
  [
    /refused|timed out|no route|unreachable|could not resolve/i,
    ({ host }) =>
      `the node's SSH must be reached at ${host}, port 22, which its network settings name: look at firewall and route; ${ALTERNATIVE}`,
  ],
]

const OTHER_KEY =
  'the node does not show a host key that proxmox_ssh_host_key pins. If it was installed anew: compare /etc/ssh/ssh_host_*_key.pub on the node, and correct the value; if not, somebody may stand in between'

/** Explains a failed login, with the remedy; undefined for one that succeeded. */
export function sshFault(
  account: NodeAccount,
  { code, stderr, timedOut }: CommandResult,
  isPinned = false,
): ProxmintError | undefined {
  if (code === 0) return undefined
  const said = timedOut ? 'timed out' : stderr.trim()
  const cause = CAUSES.find(([pattern]) => pattern.test(said))
  const hint = isPinned && cause === CAUSES[0] ? OTHER_KEY : cause?.[1](account)
  return new ProxmintError(`cannot log in to the node by SSH as ${account.user}@${account.host}`, {
    facts: { ssh: said.split('\n').at(-1) },
    hint: hint ?? `try it by hand: ssh ${account.user}@${account.host}`,
  })
}
