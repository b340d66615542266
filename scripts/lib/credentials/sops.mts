import { existsSync } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { type CommandResult, runCommand } from '../run/exec.mts'
import { requireTool } from '../tools/find.mts'
import { requireEncrypted } from './encrypted-values.mts'

/**
 * Decrypts a SOPS file in memory.
 * @param secrets Keys whose values must not stand in the clear in the file.
 * @throws ProxmintError (denied) If there is no file or no identity that opens it, with the path of the identity; if a
 *   secret value is not encrypted.
 */
export async function decryptFile(
  path: string,
  secrets: readonly string[],
): Promise<Record<string, unknown>> {
  await access(path).catch(cause => {
    throw noCredentials(path, cause)
  })
  const sops = await requireTool('sops')
  const result = await runCommand({
    file: sops.file,
    args: ['--decrypt', '--output-type', 'json', path],
    env: { SOPS_AGE_KEY: process.env['SOPS_AGE_KEY'] },
  })
  if (result.code !== 0) throw cannotDecrypt(path, result)
  await requireEncrypted({ path, text: await readFile(path, 'utf8'), secrets })
  return JSON.parse(result.stdout) as Record<string, unknown>
}

function noCredentials(path: string, cause: unknown): ProxmintError {
  return new ProxmintError(`no credentials: neither PROXMOX_URL in the environment nor ${path}`, {
    hint: 'run `zx scripts/credentials.mts init`, which makes an age identity and the encrypted file',
    cause,
    exitCode: exitCodes.denied,
  })
}

function cannotDecrypt(path: string, { stderr, stdout }: CommandResult): ProxmintError {
  const output = `${stderr}\n${stdout}`
  if (/sops metadata not found/i.test(output)) {
    return new ProxmintError(`${path} is not encrypted`, {
      hint: `run \`sops encrypt --in-place ${path}\`; if it was ever pushed, make a new API token as well`,
      exitCode: exitCodes.denied,
    })
  }
  const noKey =
    /no identity matched|failed to (open|load) (file|age identities)|did not find keys|0 successful groups/i
  if (noKey.test(output)) {
    if (identityIsMissing()) return noIdentity(path)
    return new ProxmintError(`cannot decrypt ${path}: none of your age identities is among its recipients`, {
      facts: { identity: identityLocation() },
      hint: 'ask someone who can open it to add your recipient (`age-keygen -y FILE`) to .sops.yaml and run `sops updatekeys`',
      exitCode: exitCodes.denied,
    })
  }
  return new ProxmintError(`cannot decrypt ${path}`, {
    facts: { sops: output.trim().split('\n').filter(Boolean).slice(-3).join(' | ') },
    hint: `try it by hand: \`sops decrypt ${path}\`; a damaged file comes back with \`git checkout ${path}\``,
    exitCode: exitCodes.denied,
  })
}

/** True if SOPS would read the identity from a file and the file is missing. */
function identityIsMissing(): boolean {
  const others = ['SOPS_AGE_KEY', 'SOPS_AGE_KEY_CMD', 'SOPS_AGE_SSH_PRIVATE_KEY_FILE']
  return others.every(name => process.env[name] === undefined) && !existsSync(identityLocation())
}

function noIdentity(path: string): ProxmintError {
  return new ProxmintError(`cannot decrypt ${path}: the file of your age identity does not exist`, {
    facts: { identity: identityLocation() },
    hint: 'put your copy of it there, or name another file in SOPS_AGE_KEY_FILE; without a copy, make one with age-keygen and ask someone who can open the credentials to add its recipient',
    exitCode: exitCodes.denied,
  })
}

/** Place where SOPS looks for age identities. Source: documentation of SOPS, "Encrypting using age". */
export function identityLocation(): string {
  const { env } = process
  if (env['SOPS_AGE_KEY'] !== undefined) return 'SOPS_AGE_KEY in the environment'
  if (env['SOPS_AGE_KEY_FILE'] !== undefined) return env['SOPS_AGE_KEY_FILE']
  const configHome =
    env['XDG_CONFIG_HOME'] ??
    (process.platform === 'darwin' ? `${env['HOME']}/Library/Application Support` : `${env['HOME']}/.config`)
  return `${configHome}/sops/age/keys.txt`
}
