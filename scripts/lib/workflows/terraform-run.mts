import { join } from 'node:path'
import { certificateVariables, exportedVariables } from '../credentials/export.mts'
import { interrupted, ProxmintError } from '../run/errors.mts'
import { type CommandPlan, runCommand } from '../run/exec.mts'
import { openLog } from '../run/log-file.mts'
import { withProgress } from '../run/progress.mts'
import {
  planApply,
  planInit,
  planPlan,
  planReadState,
  planShow,
  type TerraformSetting,
} from '../terraform/commands.mts'
import { guardPlan, type Intent, type TerraformPlan } from '../terraform/plan-guard.mts'
import { knowsVm, type TerraformState } from '../terraform/state.mts'
import { requireTool } from '../tools/find.mts'
import type { Connection } from './connect.mts'

/** OpenTofu or Terraform in the initialized folder of one VM. */
export interface VmTerraform {
  /** Whether the state has the VM. */
  knowsVm(): Promise<boolean>
  /**
   * Plans, holds the plan against what is meant, and applies that very plan.
   * @returns whether anything was applied.
   * @throws ProxmintError (invalid) where the guard refuses.
   */
  apply(intent: Intent, options?: { allowReplace: boolean }): Promise<boolean>
}

/**
 * Runs `work` with Terraform in a VM's folder. All that it prints is in `logs/vm-NAME.log`.
 * @throws ProxmintError with Terraform's own words and the path of the log.
 */
export async function withTerraform<T>(
  connection: Connection,
  vm: { name: string; folder: string },
  signal: AbortSignal,
  work: (terraform: VmTerraform) => Promise<T>,
): Promise<T> {
  const setting = await settingFor(connection, vm.folder)
  using log = openLog(join(connection.config.stateDir, 'logs', `vm-${vm.name}.log`))
  const run = (step: string, plan: CommandPlan): Promise<string> =>
    withProgress(`${step} ${vm.name}`, async progress => {
      const onLine = (line: string): void => {
        log.write(line)
        progress.update(line)
      }
      const result = await runCommand(plan, { signal, onLine })
      if (signal.aborted) throw interrupted(`${step} ${vm.name}`)
      if (result.code !== 0) throw terraformFailed(step, vm.name, result.stderr, log.path)
      return result.stdout
    })
  /** What is printed as JSON is long, and no news. */
  const read = async <J,>(plan: CommandPlan): Promise<J> => {
    const result = await runCommand(plan, { signal })
    if (result.code !== 0) throw terraformFailed('show', vm.name, result.stderr, log.path)
    return JSON.parse(result.stdout) as J
  }
  await run('init', planInit(setting))
  return work({
    knowsVm: async () => knowsVm(await read<TerraformState>(planReadState(setting))),
    async apply(intent, { allowReplace } = { allowReplace: false }) {
      await run('plan', planPlan(setting, intent === 'destroy'))
      const plan = await read<TerraformPlan>(planShow(setting))
      if (!guardPlan(vm.name, plan, intent, allowReplace)) return false
      await run('apply', planApply(setting))
      return true
    },
  })
}

async function settingFor({ credentials }: Connection, folder: string): Promise<TerraformSetting> {
  const [tofu, provider] = await Promise.all([requireTool('opentofu'), requireTool('proxmox-provider')])
  return {
    tofu,
    provider,
    folder,
    env: { ...exportedVariables(credentials), ...certificateVariables(credentials) },
  }
}

function terraformFailed(step: string, name: string, stderr: string, log: string): ProxmintError {
  const words = stderr
    .split('\n')
    .map(line => line.replace(/^[│╷╵\s]+/, '').trimEnd())
    .filter(line => line !== '')
  return new ProxmintError(`${step} of ${name} failed:\n${words.map(line => `  ${line}`).join('\n')}`, {
    facts: { log },
  })
}
