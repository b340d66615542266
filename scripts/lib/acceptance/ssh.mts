import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProxmintError } from '../run/errors.mts'
import { type CommandPlan, command, runCommand } from '../run/exec.mts'

/** A key for one test; the private half is a file that only its owner can read, gone when disposed of. */
export interface SshKey extends AsyncDisposable {
  file: string
  /** `ssh-ed25519 AAAA... proxmint-test`. */
  publicKey: string
}

/** @throws ProxmintError where the OpenSSH client is missing. */
export async function createSshKey(): Promise<SshKey> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-key-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  const file = join(folder, 'id_ed25519')
  try {
    const generate = command`ssh-keygen -q -t ed25519 -N ${''} -C proxmint-test -f ${file}`
    const { code, stderr } = await runCommand(generate)
    if (code !== 0) throw new ProxmintError(`ssh-keygen cannot make a key: ${stderr}`)
    return { file, publicKey: (await readFile(`${file}.pub`, 'utf8')).trim(), [Symbol.asyncDispose]: remove }
  } catch (error) {
    await remove()
    throw error
  }
}

interface SshServer {
  host: string
  port: number
}

/** First of the ports of a lab on loopback, as `HOST:PORT`: a guest has the one plus the last three digits of its VMID. */
export const guestSshVariable = 'PROXMINT_GUEST_SSH'

/** The SSH server of a guest: where it was told to be, or port 22 of its address (`192.168.1.5/24`). */
export function sshServerOf(vmid: number, address: string, env: NodeJS.ProcessEnv): SshServer {
  const forwarded = env[guestSshVariable]
  if (forwarded === undefined || forwarded === '') return { host: address.split('/')[0]!, port: 22 }
  const [, host, port] = /^(.+):(\d+)$/.exec(forwarded) ?? []
  if (host === undefined) {
    throw new ProxmintError(`${guestSshVariable} is no HOST:PORT: ${forwarded}`, { exitCode: 2 })
  }
  return { host, port: Number(port) + (vmid % 1000) }
}

/** Exit code of `ssh` where it could not log in; a command's own code otherwise. */
export const noLogin = 255

/** Runs a shell script as root of the guest, by sudo where the user is another. The host key is new to everybody. */
export function sshCommand(server: SshServer, user: string, keyFile: string, script: string): CommandPlan {
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'StrictHostKeyChecking=no',
    'UserKnownHostsFile=/dev/null',
    'LogLevel=ERROR',
    'ConnectTimeout=5',
    'ServerAliveInterval=5',
  ]
  return {
    file: 'ssh',
    args: [
      ...['-F', 'none', '-i', keyFile, '-p', String(server.port)],
      ...options.flatMap(option => ['-o', option]),
      `${user}@${server.host}`,
      'if [ "$(id -u)" = 0 ]; then exec sh -s; else exec sudo -n sh -s; fi',
    ],
    env: { SSH_AUTH_SOCK: undefined },
    input: script,
  }
}
