import { type Credentials, requirePassword } from '../credentials/credentials.mts'
import { certificateVariables } from '../credentials/export.mts'
import type { CommandPlan } from '../run/exec.mts'
import type { Dialect, Tool } from '../tools/tool.mts'

export interface PackerRun {
  packer: Pick<Tool, 'file' | 'env'>
  dialect: Dialect
  credentials: Credentials
  /** The template folder Packer is run in: the family's own, or its translated copy. */
  folder: string
  /** Values of Packer variables; no secrets, since they stand in argv. */
  variables: Record<string, string>
  /** Values of sensitive Packer variables: these go by environment. */
  secrets?: Record<string, string>
}

/** The two commands of a build, in order. */
export interface BuildCommands {
  validate: CommandPlan
  build: CommandPlan
}

/** Plans both; nothing is run. The plugin is there already: `setup` saw to it. */
export function planBuild(run: PackerRun): BuildCommands {
  const variables = Object.entries(run.variables).flatMap(([name, value]) => ['-var', `${name}=${value}`])
  const command = (args: string[]): CommandPlan => ({
    file: run.packer.file,
    args: [...args, ...variables, '.'],
    cwd: run.folder,
    env: environment(run),
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
    // No version check by the network, no colour codes in the log.
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

/** Exactly one way to log in, whatever else the shell's environment holds. */
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
