import { type Credentials, requirePassword } from '../credentials/credentials.mts'
import { certificateVariables } from '../credentials/export.mts'
import type { CommandPlan } from '../run/exec.mts'
import { PACKER_VARIABLES } from '../tools/passed-variables.mts'
import type { Dialect, Tool } from '../tools/tool.mts'
import type { HandedLogin } from './place-rules.mts'

export interface PackerRun {
  packer: Pick<Tool, 'file' | 'env'>
  dialect: Dialect
  credentials: Credentials
  /** Working directory: the family's folder, or its translated copy. */
  folder: string
  /** Values of Packer variables. No secrets: they are arguments. */
  variables: Record<string, string>
  /** Values of sensitive Packer variables, which go into the environment. */
  secrets?: Record<string, string>
  /** Variables of the environment that the template reads with `env("NAME")`. */
  reads?: string[]
}

/** Commands of a build, in order. */
export interface BuildCommands {
  validate: CommandPlan
  build: CommandPlan
}

/** Plans the commands. `packer init` is not one of them: `setup` has installed the plugin. */
export function planBuild(run: PackerRun): BuildCommands {
  const variables = Object.entries(run.variables).flatMap(([name, value]) => ['-var', `${name}=${value}`])
  const command = (args: string[]): CommandPlan => ({
    file: run.packer.file,
    args: [...args, ...variables, '.'],
    cwd: run.folder,
    env: environment(run),
    inherits: [...PACKER_VARIABLES, ...(run.reads ?? [])],
  })
  return {
    validate: command(['validate']),
    build: command(['build', '-color=false', '-timestamp-ui', '-on-error=cleanup']),
  }
}

function environment({
  packer,
  dialect,
  credentials: c,
  secrets = {},
}: PackerRun): Record<string, string | undefined> {
  return {
    ...packer.env,
    ...certificateVariables(c),
    // No version check over the network, no colours in the log.
    CHECKPOINT_DISABLE: '1',
    PACKER_NO_COLOR: '1',
    PROXMOX_URL: c.url,
    PROXMOX_NODE: c.node,
    PROXMOX_STORAGE_POOL: c.storagePool,
    PROXMOX_SKIP_TLS_VERIFY: String(c.skipTlsVerify),
    ...Object.fromEntries(Object.entries(secrets).map(([name, value]) => [`PKR_VAR_${name}`, value])),
    ...login(dialect, c),
  }
}

/** Url, node and login that Packer gets for a place. */
export function handedLogin(dialect: Dialect, c: Credentials): HandedLogin {
  const isModern = dialect === 'modern'
  return {
    url: c.url,
    node: c.node,
    username: isModern ? `${c.user}!${c.tokenId}` : c.user,
    token: isModern ? c.tokenSecret : undefined,
  }
}

/** Variables of the login. The other login is removed from the shell's environment. */
function login(dialect: Dialect, c: Credentials): Record<string, string | undefined> {
  if (dialect === 'modern') {
    return {
      PROXMOX_USERNAME: `${c.user}!${c.tokenId}`,
      PROXMOX_TOKEN: c.tokenSecret,
      PROXMOX_PASSWORD: undefined,
    }
  }
  return { PROXMOX_USERNAME: c.user, PROXMOX_PASSWORD: requirePassword(c), PROXMOX_TOKEN: undefined }
}
