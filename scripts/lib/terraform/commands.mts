import type { CommandPlan } from '../run/exec.mts'
import type { Tool } from '../tools/tool.mts'

/** What every command of OpenTofu or Terraform in one VM's folder has in common. */
export interface TerraformSetting {
  tofu: Tool
  provider: Tool
  folder: string
  /** Logs in; secrets travel here and nowhere else. */
  env: Record<string, string>
}

const planFile = 'tfplan'
/** A run that was killed leaves OpenTofu at work, which gives the state back when it ends. */
const lockArgument = '-lock-timeout=5m'

export function planInit(setting: TerraformSetting): CommandPlan {
  return command(setting, ['init', '-input=false', '-reconfigure'])
}

/** Refreshes, and writes the plan that `planApply` applies: what was looked at and nothing else. */
export function planPlan(setting: TerraformSetting, destroy: boolean): CommandPlan {
  return command(setting, [
    'plan',
    '-input=false',
    lockArgument,
    `-out=${planFile}`,
    ...(destroy ? ['-destroy'] : []),
  ])
}

/** Prints the plan as JSON. */
export function planShow(setting: TerraformSetting): CommandPlan {
  return command(setting, ['show', '-json', planFile])
}

/** Prints the plan for a person. */
export function planShowText(setting: TerraformSetting): CommandPlan {
  return command(setting, ['show', planFile])
}

export function planApply(setting: TerraformSetting): CommandPlan {
  return command(setting, ['apply', '-input=false', lockArgument, planFile])
}

/** Prints the whole state as JSON; `{}` in substance where there is none. */
export function planReadState(setting: TerraformSetting): CommandPlan {
  return command(setting, ['show', '-json'])
}

/** Takes all of a VM out of the state; Proxmox is not asked. */
export function planForget(setting: TerraformSetting): CommandPlan {
  const plan = command(setting, ['rm', lockArgument, 'module.vm'])
  return { ...plan, args: ['state', ...plan.args] }
}

function command({ tofu, provider, folder, env }: TerraformSetting, args: string[]): CommandPlan {
  return {
    file: tofu.file,
    args: [args[0]!, '-no-color', ...args.slice(1)],
    cwd: folder,
    env: { TF_IN_AUTOMATION: '1', TF_CLI_ARGS: undefined, ...provider.env, ...env },
  }
}
