import type { CommandPlan } from '../run/exec.mts'
import { TERRAFORM_VARIABLES } from '../tools/passed-variables.mts'
import type { Tool } from '../tools/tool.mts'

/** Commands of OpenTofu or Terraform, as data: nothing runs here. */

/** Setting of every command in the folder of one VM. */
export interface TerraformSetting {
  tofu: Tool
  provider: Tool
  folder: string
  /** Environment with the login. Secrets are passed only here. */
  env: Record<string, string>
}

const PLAN_FILE = 'tfplan'
/** Waits for the state: after a run was killed, its OpenTofu works on and frees the state when it ends. */
const LOCK_ARGUMENT = '-lock-timeout=5m'

export function planInit(setting: TerraformSetting): CommandPlan {
  return command(setting, ['init', '-input=false', '-reconfigure'])
}

/** What a plan is about: the whole folder, the end of all that is in it, or the file of the user-data alone. */
export type PlanScope = 'all' | 'destroy' | 'user-data'

const SCOPE_ARGUMENTS: Record<PlanScope, string[]> = {
  all: [],
  destroy: ['-destroy'],
  // The VM is neither read nor planned, which takes the longest.
  'user-data': ['snippet', 'seed'].map(name => `-target=module.vm.proxmox_virtual_environment_file.${name}`),
}

/** Refreshes the state and writes the plan that `planApply` applies. */
export function planPlan(setting: TerraformSetting, scope: PlanScope): CommandPlan {
  const args = ['plan', '-input=false', LOCK_ARGUMENT, `-out=${PLAN_FILE}`]
  return command(setting, [...args, ...SCOPE_ARGUMENTS[scope]])
}

/**
 * Takes the lock of the state, and changes nothing: no configuration has that resource. A command that only reads the
 * state does not wait for its lock.
 */
export function planWaitForState(setting: TerraformSetting): CommandPlan {
  return command(setting, ['taint', '-allow-missing', LOCK_ARGUMENT, 'terraform_data.nothing'])
}

/** Prints the plan as JSON. */
export function planShow(setting: TerraformSetting): CommandPlan {
  return command(setting, ['show', '-json', PLAN_FILE])
}

/** Prints the plan for people. */
export function planShowText(setting: TerraformSetting): CommandPlan {
  return command(setting, ['show', PLAN_FILE])
}

export function planApply(setting: TerraformSetting): CommandPlan {
  return command(setting, ['apply', '-input=false', LOCK_ARGUMENT, PLAN_FILE])
}

/** Prints the whole state as JSON; without resources if there is no state. */
export function planReadState(setting: TerraformSetting): CommandPlan {
  return command(setting, ['show', '-json'])
}

/** Reads a resource of Proxmox into the state. @param id `NODE/VMID`, or `NODE/VOLUME` for a file. */
export function planImport(setting: TerraformSetting, address: string, id: string): CommandPlan {
  return command(setting, ['import', '-input=false', LOCK_ARGUMENT, address, id])
}

/** Prints the state as Terraform keeps it. */
export function planPullState(setting: TerraformSetting): CommandPlan {
  const plan = command(setting, ['pull'])
  return { ...plan, args: ['state', ...plan.args] }
}

/** Replaces the state; a serial that is not newer is refused. */
export function planPushState(setting: TerraformSetting, state: string): CommandPlan {
  const plan = command(setting, ['push', LOCK_ARGUMENT, '-'])
  return { ...plan, args: ['state', ...plan.args], input: state }
}

/** Removes the module of the VM from the state. Proxmox is not asked. */
export function planForget(setting: TerraformSetting): CommandPlan {
  const plan = command(setting, ['rm', LOCK_ARGUMENT, 'module.vm'])
  return { ...plan, args: ['state', ...plan.args] }
}

function command({ tofu, provider, folder, env }: TerraformSetting, args: string[]): CommandPlan {
  return {
    file: tofu.file,
    args: [args[0]!, '-no-color', ...args.slice(1)],
    cwd: folder,
    env: { TF_IN_AUTOMATION: '1', ...provider.env, ...env },
    inherits: TERRAFORM_VARIABLES,
  }
}
