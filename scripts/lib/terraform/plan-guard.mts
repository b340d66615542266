import { exitCodes, ProxmintError } from '../run/errors.mts'
import { type Agreement, type Change, requireAllowed } from './costs.mts'
import { changesOf, type VmPlan } from './plan-changes.mts'
import { type TerraformState, valuesOfVm } from './state.mts'
import { vmAddress } from './vm-configuration.mts'

/** Guard between plan and apply: a run may change its own VM only, and only as it was asked to. */

/** The part of `tofu show -json PLAN` that the guard reads. */
export interface TerraformPlan {
  resource_changes?: ResourceChange[]
  /** Resources that differ from the state. */
  resource_drift?: ResourceChange[]
}

interface ResourceChange {
  address: string
  mode: string
  /** `before` is null for a new resource. */
  change: VmPlan & {
    actions: Action[]
    /** Paths of the attributes that make a replacement necessary. */
    replace_paths?: (string | number)[][]
  }
}

/** What a plan is going to do. */
export interface PlannedWork {
  /** Whether there is anything to apply. */
  isNeeded: boolean
  /** Whether the VM is destroyed and another one made in its place. */
  replaces: boolean
  /** Changes of a VM that stays, and of its user-data. */
  changes: Change[]
}

/** VM that a run may change. */
interface GuardedVm {
  name: string
  vmid: number
  /** Mark in the description of this VM and of no other. */
  mark: string
}

type Action = 'no-op' | 'read' | 'create' | 'update' | 'delete'

/** Change that a run wants to do with the VM. */
export type Intent = 'create' | 'update' | 'destroy'

/** Files of user-data, which may be replaced without consent. */
const FILE_ADDRESS = /^module\.vm\.proxmox_virtual_environment_file\.(snippet|seed)\[0\]$/

/**
 * Compares a plan with the intent of the run. If two registries share a state, it may hold the VM of the other one, which
 * must not change.
 * @param agreement the costs that the user agreed to. Without `data-loss` no VM is replaced.
 * @throws ProxmintError (invalid) if the plan does anything else, or costs more.
 */
export function guardPlan(
  guarded: GuardedVm,
  plan: TerraformPlan,
  intent: Intent,
  agreement: Agreement,
): PlannedWork {
  const { name } = guarded
  const changes = (plan.resource_changes ?? []).filter(
    ({ mode, change }) => mode === 'managed' && change.actions.some(action => action !== 'no-op'),
  )
  const strange = changes.find(({ address }) => address !== vmAddress && !FILE_ADDRESS.test(address))
  if (strange !== undefined) throw unexpected(name, strange)
  const vm = changes.find(({ address }) => address === vmAddress)
  for (const change of [vm, ...(plan.resource_drift ?? [])]) requireOwn(guarded, change)
  requireOwnPlan(guarded, vm?.change.after)
  const action = actionOf(vm)
  if (action === 'replace' && !agreement.allowed.has('data-loss')) throw replaced(name, vm!, agreement)
  if (action === 'delete' && intent !== 'destroy') throw deleted(name)
  if (action === 'create' && intent === 'update') throw stateLost(name)
  if (action === 'update' && intent === 'destroy') throw unexpected(name, vm!)
  if (action === undefined && intent === 'create') throw nothingToDo(name)
  const planned = action === 'update' ? changesOf(name, vm!.change) : []
  const files = changes.filter(({ address }) => FILE_ADDRESS.test(address))
  requireAllowed(name, planned, agreement)
  return {
    isNeeded: action === 'update' ? planned.length + changes.length > 1 : changes.length > 0,
    replaces: action === 'replace',
    changes: intent === 'update' ? [...planned, ...files.slice(0, 1).map(() => NEW_FILE)] : planned,
  }
}

/** The user-data of a VM is uploaded once more. */
const NEW_FILE: Change = { what: 'file of the user-data', from: 'old', to: 'new', cost: null }

function actionOf(vm: ResourceChange | undefined): 'create' | 'update' | 'delete' | 'replace' | undefined {
  const actions = vm?.change.actions ?? []
  if (actions.includes('create') && actions.includes('delete')) return 'replace'
  return (['create', 'delete', 'update'] as const).find(action => actions.includes(action))
}

/** Checks that the state holds this VM or none. @throws ProxmintError (invalid) if it holds another VM. */
export function guardState(guarded: GuardedVm, state: TerraformState): void {
  requireOwnVm(guarded, valuesOfVm(state))
}

function requireOwn(guarded: GuardedVm, resource: ResourceChange | undefined): void {
  if (resource?.address === vmAddress) requireOwnVm(guarded, resource.change.before)
}

/** @param found attributes of the VM in the state, if there is one. @throws ProxmintError (invalid) if it is another VM. */
function requireOwnVm(
  { name, vmid, mark }: GuardedVm,
  found: Record<string, unknown> | null | undefined,
): void {
  if (found == null || isOwn({ vmid, mark }, found)) return
  const isMarked = String(found['description'] ?? '').includes(mark)
  throw new ProxmintError(`the state of ${name} has another VM, not ${name} with the VMID ${vmid}`, {
    facts: {
      'in the state': `VM ${found['vm_id']} (${found['name']})`,
      'its notes lack': isMarked ? undefined : mark,
    },
    hint:
      'nothing was applied: another registry with the same state has that VM. Set `backend` in config/terraform.yaml so ' +
      'that every clone of the project has its own state, or let all clones use one registry; then run this again',
    exitCode: exitCodes.invalid,
  })
}

function isOwn({ vmid, mark }: Pick<GuardedVm, 'vmid' | 'mark'>, vm: Record<string, unknown>): boolean {
  return vm['vm_id'] === vmid && String(vm['description'] ?? '').includes(mark)
}

/**
 * Checks that the VM will be this one after the plan: a run that lost its lock may have written the folder last.
 * @throws ProxmintError (invalid) if it will be another VM.
 */
function requireOwnPlan(guarded: GuardedVm, after: Record<string, unknown> | null | undefined): void {
  if (after == null || isOwn(guarded, after)) return
  const { name, vmid } = guarded
  throw new ProxmintError(`the plan for ${name} is not for ${name} with the VMID ${vmid}`, {
    facts: { 'in the plan': `VM ${after['vm_id']} (${after['name']})` },
    hint:
      `nothing was applied: another run wrote the folder vms/${name} at the same time; run this again, and it is written ` +
      'anew',
    exitCode: exitCodes.invalid,
  })
}

/** Error for a lost state. The provider would adopt the existing VM as the new one and change it while it runs. */
function stateLost(name: string): ProxmintError {
  return new ProxmintError(`the state of ${name} is lost: the plan would create a VM that exists already`, {
    hint:
      `nothing was applied, and the VM is unchanged; read the state from Proxmox again: zx scripts/vm.mts adopt ${name} ` +
      `--apply; or restore it: vms/${name}/terraform.tfstate from a backup, or the old backend in config/terraform.yaml`,
    exitCode: exitCodes.invalid,
  })
}

function unexpected(name: string, { address, change }: ResourceChange): ProxmintError {
  return new ProxmintError(`the plan for ${name} would ${change.actions.join(' and ')} ${address}`, {
    hint: 'nothing was applied, because proxmint changes only the named VM; check if the state belongs to another VM',
    exitCode: exitCodes.invalid,
  })
}

function replaced(name: string, { change }: ResourceChange, { again }: Agreement): ProxmintError {
  const paths = (change.replace_paths ?? []).map(path => path.join('.'))
  return new ProxmintError(`the plan would destroy ${name} and create a new VM in its place`, {
    facts: { cause: causeOf(paths), attributes: paths.join(', ') || undefined },
    hint: `nothing was applied; if all of its disks may be lost: ${again} --allow data-loss`,
    exitCode: exitCodes.invalid,
  })
}

function causeOf(paths: string[]): string {
  if (paths.length === 0) return 'unknown; a newer provider may need it'
  return 'an attribute that Proxmox cannot change in a VM that exists'
}

function deleted(name: string): ProxmintError {
  return new ProxmintError(`the plan would destroy ${name}`, {
    hint: `nothing was applied; to destroy it: zx scripts/vm.mts destroy ${name}`,
    exitCode: exitCodes.invalid,
  })
}

function nothingToDo(name: string): ProxmintError {
  return new ProxmintError(`the plan to create ${name} does nothing`, {
    hint: 'the state has the VM already; compare with `zx scripts/reconcile.mts`',
    exitCode: exitCodes.invalid,
  })
}
