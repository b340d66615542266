import { join } from 'node:path'
import { certificateVariables, exportedVariables } from '../../credentials/export.mts'
import { type NodeHome, openNodeHome } from '../../credentials/node-home.mts'
import type { Entry } from '../../registry/entry.mts'
import { entryMark } from '../../registry/identity.mts'
import { checkpoint } from '../../run/checkpoint.mts'
import { interrupted, ProxmintError } from '../../run/errors.mts'
import { type CommandPlan, runCommand } from '../../run/exec.mts'
import { openLog } from '../../run/log-file.mts'
import { withProgress } from '../../run/progress.mts'
import { directVariables } from '../../run/proxy.mts'
import type { Connection } from '../../site/connect.mts'
import {
  type PlanScope,
  planApply,
  planForget,
  planImport,
  planInit,
  planPlan,
  planPullState,
  planPushState,
  planReadState,
  planShow,
  planShowText,
  planWaitForState,
  type TerraformSetting,
} from '../../terraform/commands.mts'
import type { Agreement } from '../../terraform/costs.mts'
import { hintForFailure } from '../../terraform/failure-hint.mts'
import { completedState, type PlannedValues } from '../../terraform/imported-state.mts'
import {
  guardPlan,
  guardState,
  type Intent,
  type PlannedWork,
  type TerraformPlan,
} from '../../terraform/plan-guard.mts'
import { knowsAnything, knowsVm, nodesIn, type TerraformState } from '../../terraform/state.mts'
import { requireTool } from '../../tools/find.mts'
import { warnOfIgnored } from '../../tools/passed-variables.mts'
import { initOnce } from './init-once.mts'

/** OpenTofu or Terraform in the initialized folder of one VM. */
export interface VmTerraform {
  /** Whether the state has the VM. Before a no, it waits until the OpenTofu of a killed run has freed the state. */
  knowsVm(): Promise<boolean>
  /** Whether the state has anything at all; a no as of `knowsVm`. */
  knowsAnything(): Promise<boolean>
  /** The nodes of all that the state has. */
  nodes(): Promise<string[]>
  /**
   * Empties the state; Proxmox is not asked.
   * @throws ProxmintError (invalid) where the VM in it is another.
   */
  forget(): Promise<void>
  /**
   * Reads resources of Proxmox into the state, and completes it by the configuration. Proxmox is only read.
   * @param ids in the notation of the provider, by address in the configuration.
   */
  importAll(ids: ReadonlyMap<string, string>): Promise<void>
  /**
   * Plans and has the guard check the plan against the intent and what was agreed to; nothing is applied.
   * @param scope default: what the intent needs.
   * @throws ProxmintError (invalid) where the guard refuses.
   */
  plan(intent: Intent, agreement: Agreement, scope?: PlanScope): Promise<PlannedWork>
  /** The latest plan for a person. */
  planText(): Promise<string>
  /** Applies the latest plan. */
  apply(intent: Intent, step?: TerraformStep): Promise<void>
}

/** The step in the life of a VM that an apply belongs to; it names the checkpoints by which tests kill a run. */
export type TerraformStep = 'create' | 'token' | 'resume' | 'destroy'

/**
 * Runs `work` with Terraform in a VM's folder. Its output is in `logs/vm-NAME.log`.
 * @throws ProxmintError with Terraform's own words and the path of the log.
 */
export async function withTerraform<T>(
  connection: Connection,
  vm: { entry: Entry; folder: string },
  signal: AbortSignal,
  work: (terraform: VmTerraform) => Promise<T>,
): Promise<T> {
  await using home = await openNodeHome(connection.credentials.sshHostKey)
  const setting = await settingFor(connection, vm.folder, home)
  const { name, vmid, id } = vm.entry
  const guardedVm = { name, vmid, mark: entryMark(id) }
  using log = openLog(join(connection.config.stateDir, 'logs', `vm-${name}.log`))
  const run = (step: string, plan: CommandPlan): Promise<string> =>
    withProgress(`${step} ${name}`, async progress => {
      const onLine = (line: string): void => {
        log.write(line)
        progress.update(line)
      }
      await connection.requireHeld?.()
      const result = await runCommand(plan, { signal, onLine })
      if (signal.aborted) throw interrupted(`${step} ${name}`)
      if (result.code !== 0) throw terraformFailed(step, name, result.stderr, log.path)
      return result.stdout
    })
  /** Reads JSON, which is too long for the log. */
  const read = async <J,>(plan: CommandPlan): Promise<J> => {
    const result = await runCommand(plan, { signal })
    if (result.code !== 0) throw terraformFailed('show', name, result.stderr, log.path)
    return JSON.parse(result.stdout) as J
  }
  const state = () => read<TerraformState>(planReadState(setting))
  const knows = async (judge: (state: TerraformState) => boolean): Promise<boolean> => {
    if (judge(await state())) return true
    await run('state', planWaitForState(setting))
    return judge(await state())
  }
  await initOnce(setting, () => run('init', planInit(setting)))
  // Awaited here: the log is closed when this function returns.
  return await work({
    knowsVm: () => knows(knowsVm),
    knowsAnything: () => knows(knowsAnything),
    nodes: async () => nodesIn(await state()),
    async forget() {
      guardState(guardedVm, await state())
      await run('forget', planForget(setting))
    },
    async importAll(ids) {
      for (const [address, id] of ids) await run('import', planImport(setting, address, id))
      await run('plan', planPlan(setting, 'all'))
      const planned = await read<PlannedValues>(planShow(setting))
      const state = JSON.stringify(await read<object>(planPullState(setting)))
      await run('import', planPushState(setting, completedState(state, planned)))
    },
    async plan(intent, agreement, scope = intent === 'destroy' ? 'destroy' : 'all') {
      await run('plan', planPlan(setting, scope))
      return guardPlan(guardedVm, await read<TerraformPlan>(planShow(setting)), intent, agreement)
    },
    planText: async () => (await runCommand(planShowText(setting), { signal })).stdout,
    async apply(intent, step) {
      if (step !== undefined) checkpoint(`vm-${step}-planned`)
      await run(intent === 'destroy' ? 'destroy' : 'apply', planApply(setting))
      if (step !== undefined) checkpoint(`vm-${step}-applied`)
    },
  })
}

async function settingFor(
  { credentials }: Connection,
  folder: string,
  home: NodeHome,
): Promise<TerraformSetting> {
  warnOfIgnored('terraform')
  const [tofu, provider] = await Promise.all([requireTool('opentofu'), requireTool('proxmox-provider')])
  return {
    tofu,
    provider,
    folder,
    env: {
      ...ownSshKey(),
      ...exportedVariables(credentials),
      ...certificateVariables(credentials),
      ...home.env,
      ...directVariables(new URL(credentials.url).hostname),
    },
  }
}

/** The provider's own variable, for a login to the node that is not among the credentials. */
function ownSshKey(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const key = env['PROXMOX_VE_SSH_PRIVATE_KEY']
  return key === undefined ? {} : { PROXMOX_VE_SSH_PRIVATE_KEY: key }
}

function terraformFailed(step: string, name: string, stderr: string, log: string): ProxmintError {
  const words = stderr
    .split('\n')
    .map(line => line.replace(/^[│╷╵\s]+/, '').trimEnd())
    .filter(line => line !== '')
  return new ProxmintError(`${step} of ${name} failed:\n${words.map(line => `  ${line}`).join('\n')}`, {
    facts: { log },
    hint: hintForFailure(stderr),
  })
}
