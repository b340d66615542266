import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Credentials } from '../credentials/credentials.mts'
import type { ProxmoxClient } from '../proxmox/client.mts'
import { getNodeAddress } from '../proxmox/get-node-address.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { type CommandPlan, type CommandResult, runCommand } from '../run/exec.mts'

const timeoutMs = 10_000
const elsewise = 'or set `cloud_init.delivery: iso` in config/vm.yaml, which takes the API'

/** Who logs in to the node, and where: as the provider of Terraform does. */
export interface NodeLogin {
  user: string
  host: string
  privateKey: string
}

/**
 * Logs in to the node as the provider of Terraform does for a snippet, and out again. Nothing is written, not even to
 * `known_hosts`.
 * @throws ProxmintError that says what to do.
 */
export async function tryNodeSsh(
  client: ProxmoxClient,
  { node, ssh }: Credentials,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ user: string; host: string }> {
  const user = ssh?.user ?? env['PROXMOX_VE_SSH_USERNAME']
  const privateKey = ssh?.privateKey ?? env['PROXMOX_VE_SSH_PRIVATE_KEY']
  if (user === undefined || privateKey === undefined) throw noLogin()
  const host = (await getNodeAddress(client, node)) ?? node
  const result = await runCommand(loginPlan({ user, host, privateKey }), { timeoutMs, graceMs: 1000 })
  const fault = sshFault({ user, host }, result)
  if (fault !== undefined) throw fault
  return { user, host }
}

function noLogin(): ProxmintError {
  return new ProxmintError(
    "config/vm.yaml has user-data travel by the node's SSH, and the credentials hold no login for it",
    {
      hint: `add proxmox_ssh_user and proxmox_ssh_private_key: sops edit secrets/proxmox-creds.enc.yaml; ${elsewise}`,
      exitCode: exitCodes.denied,
    },
  )
}

/**
 * The key goes to an agent that lives as long as the login, by a pipe and no disk. A host key that changed is refused,
 * as the provider does; a new one is taken and not noted.
 */
export function loginPlan({ user, host, privateKey }: NodeLogin): CommandPlan {
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=accept-new',
    'UserKnownHostsFile=/dev/null',
    `GlobalKnownHostsFile=${JSON.stringify(join(homedir(), '.ssh', 'known_hosts'))}`,
    'ConnectTimeout=5',
    'LogLevel=ERROR',
  ].flatMap(option => ['-o', option])
  const remote = 'if [ "$(id -u)" != 0 ]; then sudo -n true; fi'
  const ssh = ['ssh', '-F', 'none', ...options, '-l', user, host, remote]
  const script = 'ssh-add -q - && exec "$0" "$@" </dev/null'
  return { file: 'ssh-agent', args: ['sh', '-c', script, ...ssh], input: `${privateKey.trim()}\n` }
}

const causes: [RegExp, (login: { user: string; host: string }) => string][] = [
  [
    /host key verification failed|identification has changed/i,
    ({ host }) =>
      `the node has another SSH host key than the last time. If it was installed anew: ssh-keygen -R ${host}; if not, somebody may stand in between`,
  ],
  [
    /permission denied/i,
    ({ user, host }) =>
      `put the public half of proxmox_ssh_private_key into ~${user}/.ssh/authorized_keys on ${host}; ${elsewise}`,
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
      `the node's SSH must be reached at ${host}, port 22, which its network settings name: look at firewall and route; ${elsewise}`,
  ],
]

/** Why the login failed, and what to do; undefined where it did not. */
export function sshFault(
  login: { user: string; host: string },
  { code, stderr, timedOut }: CommandResult,
): ProxmintError | undefined {
  if (code === 0) return undefined
  const said = timedOut ? 'timed out' : stderr.trim()
  const hint = causes.find(([pattern]) => pattern.test(said))?.[1](login)
  return new ProxmintError(`cannot log in to the node by SSH as ${login.user}@${login.host}`, {
    facts: { ssh: said.split('\n').at(-1) },
    hint: hint ?? `try it by hand: ssh ${login.user}@${login.host}`,
  })
}
