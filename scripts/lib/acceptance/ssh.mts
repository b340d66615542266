import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ProxmintError } from '../run/errors.mts'
import { type CommandPlan, command, runCommand } from '../run/exec.mts'

/** Key of one test. The private key is a file that only its owner can read; the dispose function removes it. */
export interface SshKey extends AsyncDisposable {
  file: string
  /** `ssh-ed25519 AAAA... proxmint-test`. */
  publicKey: string
}

/** @throws ProxmintError If the OpenSSH client is missing. */
export async function createSshKey(): Promise<SshKey> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-key-'))
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true })
  const file = join(folder, 'id_ed25519')
  try {
    const generate = command`ssh-keygen -q -t ed25519 -N ${''} -C proxmint-test -f ${file}`
    const { code, stderr } = await runCommand(generate)
    if (code !== 0)
      throw new ProxmintError(`ssh-keygen cannot make a key: ${stderr}`, {
        hint: 'is there space in the folder for temporary files (TMPDIR)? OpenSSH is needed: apt-get install openssh-client',
      })
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

/** Variable with `HOST:PORT` of a lab: the SSH port of a guest is PORT plus the last three digits of its VMID. */
export const GUEST_SSH_VARIABLE = 'PROXMINT_GUEST_SSH'

/**
 * SSH server of a guest: the forwarded port of a lab, or port 22 of its address.
 * @param address With prefix length: `192.168.1.5/24`.
 * @throws ProxmintError (usage) If the variable is not HOST:PORT.
 */
export function sshServerOf(vmid: number, address: string, env: NodeJS.ProcessEnv): SshServer {
  const forwarded = env[GUEST_SSH_VARIABLE]
  if (forwarded === undefined || forwarded === '') return { host: address.split('/')[0]!, port: 22 }
  const [, host, port] = /^(.+):(\d+)$/.exec(forwarded) ?? []
  if (host === undefined) {
    throw new ProxmintError(`${GUEST_SSH_VARIABLE} is not HOST:PORT: ${forwarded}`, {
      hint: 'unset it, or set it as the lab prints it: 127.0.0.1:PORT',
      exitCode: 2,
    })
  }
  return { host, port: Number(port) + (vmid % 1000) }
}

/** Exit code of `ssh` if it could not log in. Other codes are those of the command. */
export const NO_LOGIN = 255

/** Plans `ssh` that runs a shell script as root of the guest, with sudo for other users. Accepts any host key. */
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
