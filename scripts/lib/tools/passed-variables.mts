/** Variables of the caller's environment that Terraform, OpenTofu and Packer get. They get no others. */

import { matchesName } from '../run/exec.mts'
import { say } from '../run/progress.mts'

interface PassedVariables {
  /** Names; `AWS_*` stands for every name with that beginning. */
  names: readonly string[]
  why: string
}

/** Every program needs these. */
const SYSTEM: readonly PassedVariables[] = [
  { names: ['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TMPDIR', 'XDG_*'], why: 'where its files are' },
  { names: ['LANG', 'LANGUAGE', 'LC_*', 'TZ', 'LOCALE_ARCHIVE'], why: 'language and time' },
  { names: ['LD_LIBRARY_PATH', 'NIX_*'], why: 'libraries, on systems that have them elsewhere' },
  { names: ['GOMAXPROCS', 'GOMEMLIMIT', 'GOGC'], why: 'cores and memory of a program written in Go' },
  {
    names: ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'NO_PROXY'].flatMap(name => [name, name.toLowerCase()]),
    why: 'the way to the network',
  },
  { names: ['SSL_CERT_FILE', 'SSL_CERT_DIR'], why: 'certificate authorities' },
  { names: ['SSH_AUTH_SOCK'], why: 'keys for SSH to a node or a guest' },
]

const TERRAFORM: readonly PassedVariables[] = [
  ...SYSTEM,
  { names: ['AWS_*', 'PG*', 'TF_HTTP_*'], why: 'login of the backend: s3, pg, http' },
  { names: ['TF_ENCRYPTION', 'GOOGLE_*', 'ARM_*', 'BAO_*'], why: 'encryption of the state, and its keys' },
  {
    names: ['TF_TOKEN_*', 'TF_REGISTRY_*', 'TF_PROVIDER_DOWNLOAD_RETRY', 'TF_PLUGIN_CACHE_DIR'],
    why: 'download of modules and providers',
  },
  { names: ['PROXMOX_VE_*'], why: 'settings of the provider that proxmint does not make' },
]

const PACKER: readonly PassedVariables[] = [
  ...SYSTEM,
  { names: ['PKR_VAR_*'], why: 'variables of the family' },
  { names: ['PACKER_CACHE_DIR', 'PACKER_CONFIG_DIR', 'PACKER_PLUGIN_PATH'], why: 'where its files are' },
  { names: ['PACKER_GITHUB_API_TOKEN'], why: 'download of plugins' },
]

/** Variables for `CommandPlan.inherits`. */
export const TERRAFORM_VARIABLES = namesOf(TERRAFORM)
/** Variables for `CommandPlan.inherits`, without those that a template reads with `env("NAME")`. */
export const PACKER_VARIABLES = namesOf(PACKER)

function namesOf(table: readonly PassedVariables[]): readonly string[] {
  return table.flatMap(({ names }) => names)
}

/** Variables that change nothing which a run shows or plans. */
const HARMLESS = ['TF_IN_AUTOMATION', 'TF_INPUT', 'PACKER_NO_COLOR', 'PACKER_CONFIG']

const PROGRAMS = {
  terraform: {
    own: 'TF_',
    passed: TERRAFORM_VARIABLES,
    instead: 'the output is in the logs of the state folder; for more, run OpenTofu in the folder of the VM',
  },
  packer: {
    own: 'PACKER_',
    passed: PACKER_VARIABLES,
    instead: 'the output is in the logs of the state folder; for more, run `packer build` by hand',
  },
}

const told = new Set<string>()

/**
 * Warns, once per run, about variables of the program that a person has set and it does not get. A log by TF_LOG or
 * PACKER_LOG holds secrets in the clear; others, such as TF_CLI_ARGS_plan and TF_WORKSPACE, change what is planned.
 */
export function warnOfIgnored(program: keyof typeof PROGRAMS, env: NodeJS.ProcessEnv = process.env): void {
  const ignored = ignoredVariables(program, env).filter(name => !told.has(name))
  if (ignored.length === 0) return
  for (const name of ignored) told.add(name)
  say(`warning: ${ignored.sort().join(', ')}: ignored by proxmint; ${PROGRAMS[program].instead}`)
}

/** Lists the variables of the program that are set and that it does not get. */
export function ignoredVariables(program: keyof typeof PROGRAMS, env: NodeJS.ProcessEnv): string[] {
  const { own, passed } = PROGRAMS[program]
  return Object.keys(env).filter(
    name => env[name] !== undefined && name.startsWith(own) && !matchesName(name, [...passed, ...HARMLESS]),
  )
}
