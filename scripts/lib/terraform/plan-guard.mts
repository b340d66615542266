import { exitCodes, ProxmintError } from '../run/errors.mts'
import { type TerraformState, valuesOfVm } from './state.mts'
import { vmAddress } from './vm-configuration.mts'

/** The part of `tofu show -json PLAN` that the guard reads. */
export interface TerraformPlan {
  resource_changes?: ResourceChange[]
  /** What is not as the state says any more. */
  resource_drift?: ResourceChange[]
}

interface ResourceChange {
  address: string
  mode: string
  change: {
    actions: Action[]
    /** What makes a replacement necessary: paths of attributes. */
    replace_paths?: (string | number)[][]
    /** Null where there is nothing yet. */
    before?: VmValues | null
  }
}

/** Of a VM. */
interface VmValues {
  name?: unknown
  vm_id?: unknown
  description?: unknown
}

/** The VM that a run may touch. */
interface GuardedVm {
  name: string
  vmid: number
  /** Stands in its description, and in no other VM's. */
  mark: string
}

type Action = 'no-op' | 'read' | 'create' | 'update' | 'delete'

/** What a run means to do with the VM. */
export type Intent = 'create' | 'update' | 'destroy'

/** What may be replaced without a word: files that only carry user-data. */
const fileAddress = /^module\.vm\.proxmox_virtual_environment_file\.(snippet|seed)\[0\]$/

/**
 * Holds a plan against what the run means to do with one VM. A state that another registry uses too has its VM, which
 * is not this one's to change.
 * @param allowReplace the user agreed to lose this VM and get a new one.
 * @returns whether there is anything to apply.
 * @throws ProxmintError (invalid) when the plan does anything else.
 */
export function guardPlan(
  guarded: GuardedVm,
  plan: TerraformPlan,
  intent: Intent,
  allowReplace: boolean,
): boolean {
  const { name } = guarded
  const changes = (plan.resource_changes ?? []).filter(
    ({ mode, change }) => mode === 'managed' && change.actions.some(action => action !== 'no-op'),
  )
  const strange = changes.find(({ address }) => address !== vmAddress && !fileAddress.test(address))
  if (strange !== undefined) throw unexpected(name, strange)
  const vm = changes.find(({ address }) => address === vmAddress)
  for (const change of [vm, ...(plan.resource_drift ?? [])]) requireOwn(guarded, change)
  const action = actionOf(vm)
  if (action === 'replace' && !allowReplace) throw replaced(name, vm!)
  if (action === 'delete' && intent !== 'destroy') throw deleted(name)
  if (action === 'create' && intent === 'update') throw stateLost(name)
  if (action === 'update' && intent === 'destroy') throw unexpected(name, vm!)
  if (action === undefined && intent === 'create') throw nothingToDo(name, intent)
  if (changes.length === 0 && intent === 'destroy') throw nothingToDo(name, intent)
  return changes.length > 0
}

function actionOf(vm: ResourceChange | undefined): 'create' | 'update' | 'delete' | 'replace' | undefined {
  const actions = vm?.change.actions ?? []
  if (actions.includes('create') && actions.includes('delete')) return 'replace'
  return (['create', 'delete', 'update'] as const).find(action => actions.includes(action))
}

/** @throws ProxmintError (invalid) where what the state has is another VM. */
export function guardState(guarded: GuardedVm, state: TerraformState): void {
  requireOwnVm(guarded, valuesOfVm(state))
}

function requireOwn(guarded: GuardedVm, resource: ResourceChange | undefined): void {
  if (resource?.address === vmAddress) requireOwnVm(guarded, resource.change.before)
}

/** @param found the VM in the state, as Proxmox has it; nothing where there is none. */
function requireOwnVm({ name, vmid, mark }: GuardedVm, found: VmValues | null | undefined): void {
  if (found == null) return
  const isMarked = String(found.description ?? '').includes(mark)
  if (found.vm_id === vmid && isMarked) return
  throw new ProxmintError(`the state of ${name} has another VM, not ${name} with the VMID ${vmid}`, {
    facts: {
      'in the state': `VM ${found.vm_id} (${found.name})`,
      'its notes lack': isMarked ? undefined : mark,
    },
    hint:
      'nothing was applied: another registry has that VM, and the same state. Give every clone of the project a state ' +
      'of its own by `backend` in config/terraform.yaml, or all of them one registry; then run this again',
    exitCode: exitCodes.invalid,
  })
}

/** The provider would take the VM that is there for the new one, and change it while it runs. */
function stateLost(name: string): ProxmintError {
  return new ProxmintError(`the state of ${name} is lost: the plan would make a VM that is there already`, {
    hint:
      `nothing was applied, and the VM is as it was; bring the state back: vms/${name}/terraform.tfstate of a backup, or ` +
      'the backend that was in config/terraform.yaml. Without it, `vm extend` and `vm destroy` work, and `vm rebuild` ' +
      'from another version makes it anew with an empty disk',
    exitCode: exitCodes.invalid,
  })
}

function unexpected(name: string, { address, change }: ResourceChange): ProxmintError {
  return new ProxmintError(`the plan for ${name} would ${change.actions.join(' and ')} ${address}`, {
    hint: 'proxmint only ever changes the VM it was told to; nothing was applied. Is the state that of another VM?',
    exitCode: exitCodes.invalid,
  })
}

function replaced(name: string, { change }: ResourceChange): ProxmintError {
  const paths = (change.replace_paths ?? []).map(path => path.join('.'))
  return new ProxmintError(`the plan would destroy ${name} and make a new VM in its place`, {
    facts: { cause: causeOf(paths), attributes: paths.join(', ') || undefined },
    hint: `nothing was applied; if its disk may be lost: zx scripts/apply.mts ${name} --allow-replace ${name}`,
    exitCode: exitCodes.invalid,
  })
}

function causeOf(paths: string[]): string {
  if (paths.some(path => path.startsWith('clone'))) return 'another version of the VM template'
  if (paths.length === 0) return 'unknown; a newer provider may need it'
  return 'an attribute that Proxmox cannot change in a VM that exists'
}

function deleted(name: string): ProxmintError {
  return new ProxmintError(`the plan would destroy ${name}`, {
    hint: `nothing was applied; to destroy it: zx scripts/vm.mts destroy ${name}`,
    exitCode: exitCodes.invalid,
  })
}

function nothingToDo(name: string, intent: Intent): ProxmintError {
  return new ProxmintError(`the plan to ${intent} ${name} does nothing`, {
    hint:
      intent === 'create'
        ? 'the state says that the VM is there already; compare with `zx scripts/reconcile.mts`'
        : 'the state does not know the VM; compare with `zx scripts/reconcile.mts`',
    exitCode: exitCodes.invalid,
  })
}
