/** The steps of a trial, in their order. */
import type { ProxmoxClient } from '../proxmox/client.mts'
import { createPool } from '../proxmox/create-pool.mts'
import { updateVmConfig } from '../proxmox/update-vm-config.mts'
import { requireEntry } from '../registry/revise.mts'
import type { RegistryStore } from '../registry/store.mts'
import { messageOf } from '../run/errors.mts'
import { say } from '../run/progress.mts'
import type { Connection } from '../site/connect.mts'
import { withRegistry } from '../site/open-registry.mts'
import { locateVm } from '../vm/look/locate.mts'
import type { Running, TrialCommand } from './command.mts'
import { CHANGED_MEMORY_MIB, type Delivery, SECOND_MEMORY_MIB, type TrialPlan } from './plan.mts'
import { deliverBy } from './project.mts'
import { writeRecord } from './record.mts'
import { FAMILY } from './survey.mts'

/** One step: work of the trial itself first, then commands. */
export interface TrialStep {
  /** One word, for the names of moments at which tests kill a trial. */
  key: string
  name: string
  /** What a failure means, for a person: one or two sentences. */
  means: string
  /** Print what the commands print only if one fails. */
  quiet?: boolean
  work?: (connection: Connection, running: Running) => Promise<void>
  commands: TrialCommand[]
}

/** Lists the steps of a trial. */
export function stepsOf(plan: TrialPlan): TrialStep[] {
  const [first, second] = plan.deliveries
  return [
    ...preparation(plan),
    build(plan),
    ...lifeOf(plan, first!),
    ...(second === undefined ? [] : secondWay(plan, second)),
  ]
}

function preparation({ base, resourcePool }: TrialPlan): TrialStep[] {
  const steps: TrialStep[] = [
    {
      key: 'doctor',
      name: 'look at tools, config, credentials and Proxmox VE',
      means: 'Something that every command needs is not in order. Each FAULT above names its fix.',
      quiet: true,
      commands: [['doctor']],
    },
    {
      key: 'permissions',
      name: 'compare privileges',
      means: 'The API token lacks a privilege. The pveum lines above add it.',
      quiet: true,
      commands: [['check-permissions', '--template', FAMILY]],
    },
  ]
  if (resourcePool !== undefined) {
    steps.push({
      key: 'pool',
      name: 'make a resource pool',
      means: 'Proxmox refused a new pool. Nothing else needs it.',
      work: ({ client }, running) => makePool(client, resourcePool, running),
      commands: [],
    })
  }
  if (base.kind === 'imported') {
    steps.push({
      key: 'import',
      name: 'import a cloud image as base VM',
      means:
        'The node must reach the address of the image, and the base VM, at its first boot, DHCP on the bridge and the package ' +
        'mirror of its distribution. docs/troubleshooting.md has the usual causes.',
      commands: [['base', 'import', base.image]],
    })
  }
  return steps
}

/**
 * Makes a resource pool. That is written down before. If there is one of this name, it is somebody's, and is not removed
 * with the trial.
 */
export async function makePool(client: ProxmoxClient, pool: string, running: Running): Promise<void> {
  const { stateDir, record } = running
  running.record = await writeRecord(stateDir, { ...record, pool: 'ours' })
  try {
    await createPool(client, pool, 'a trial of proxmint; can be deleted')
  } catch (error) {
    if (/already exists/.test(messageOf(error))) running.record = await writeRecord(stateDir, record)
    throw error
  }
  say(`  made the pool ${pool}`)
}

/** A base VM of the trial's own has the id of the trial in its name. */
function releaseOption({ base }: TrialPlan): string[] {
  return base.kind === 'imported' ? ['--var', `debian_release=${base.release}`] : []
}

function build(plan: TrialPlan): TrialStep {
  return {
    key: 'build',
    name: 'build a VM template, and test it on two clones',
    means:
      'Either Packer could not build: it must reach the VM by SSH, from this machine, at the address that the guest agent reports. ' +
      'Or the VM template did not pass its test: each check that failed says why.',
    commands: [['build', FAMILY, ...releaseOption(plan)]],
  }
}

/** The VM that is changed, suspended and rebuilt. */
function lifeOf(plan: TrialPlan, delivery: Delivery): TrialStep[] {
  const vm = vmName(plan, delivery)
  return [
    create(plan, delivery),
    {
      key: 'change',
      name: 'change its memory in Proxmox, and change it back',
      means: 'OpenTofu could not change the VM. Its own words are above.',
      work: connection => changeMemory(connection, vm),
      commands: [['apply', vm, '--allow', 'reboot']],
    },
    {
      key: 'suspend',
      name: 'let it expire: it is shut down',
      means: 'The guest did not shut down, or Proxmox refused it.',
      work: connection => expire(connection, vm),
      commands: [['gc', '--execute']],
    },
    {
      key: 'resume',
      name: 'resume it',
      means: 'The VM did not start again, or its guest agent did not answer.',
      commands: [['vm', 'resume', vm, '--days', '1']],
    },
    {
      key: 'second',
      name: 'build a second version',
      means: 'The first build passed, and the same again did not: look at the load and the room of the node.',
      commands: [
        ['build', FAMILY, '--no-test', '--var', `memory=${SECOND_MEMORY_MIB}`, ...releaseOption(plan)],
        ['templates', 'promote', FAMILY, '--untested'],
      ],
    },
    {
      key: 'rebuild',
      name: 'rebuild the VM from it',
      means: 'The root disk of the VM could not be exchanged. The one of before is an unused disk of the VM.',
      commands: [['vm', 'rebuild', vm, '--yes']],
    },
    {
      key: 'compare',
      name: 'compare registry, folder and Proxmox',
      means: 'proxmint and Proxmox disagree about the VM: please report the lines above.',
      commands: [['reconcile']],
    },
    destroy(vm, delivery),
  ]
}

function secondWay(plan: TrialPlan, delivery: Delivery): TrialStep[] {
  const made = create(plan, delivery)
  return [{ ...made, work: () => deliverBy(delivery) }, destroy(vmName(plan, delivery), delivery)]
}

const WAYS: Record<Delivery['kind'], string> = {
  snippet: 'a snippet, by SSH of the node',
  iso: 'an ISO image, by the API',
}

function create(plan: TrialPlan, delivery: Delivery): TrialStep {
  return {
    key: delivery.kind,
    name: `create a VM; its user-data is ${WAYS[delivery.kind]}`,
    means:
      delivery.kind === 'snippet'
        ? 'The VM could not be made. Where the words above speak of SSH: OpenTofu logs in to the node to write the snippet.'
        : 'The VM could not be made. The words above are those of OpenTofu or of cloud-init.',
    commands: [['vm', 'create', vmName(plan, delivery), '--no-web3', '--apply', '--expiry-days', '1']],
  }
}

function destroy(vm: string, { kind }: Delivery): TrialStep {
  return {
    key: `${kind}gone`,
    name: 'destroy the VM',
    means: 'Proxmox did not delete the VM. Look at its tasks.',
    commands: [['vm', 'destroy', vm, '--yes']],
  }
}

function vmName({ id }: TrialPlan, { kind }: Delivery): string {
  return `trial-${id}-${kind}`
}

/** Changes a VM as somebody does in Proxmox, for `apply` to change it back. */
async function changeMemory(connection: Connection, name: string): Promise<void> {
  await inRegistry(connection, async store => {
    const vm = await locateVm(connection, await requireEntry(store, name))
    if (vm === undefined) return
    const memory = CHANGED_MEMORY_MIB
    await updateVmConfig(connection.client, vm, { memory })
    say(`  set the memory of VM ${vm.vmid} to ${memory} MiB`)
  })
}

/** More than the clocks of this machine and of Proxmox may differ, in milliseconds; less than the grace. */
const LONG_AGO_MS = 10 * 60_000

/** Lets the VM be expired: nobody can wait for a day. The registry is the trial's own. */
async function expire(connection: Connection, name: string): Promise<void> {
  const expiresAt = new Date(Date.now() - LONG_AGO_MS).toISOString()
  await inRegistry(connection, async store => {
    await store.change(await requireEntry(store, name), entry => ({ ...entry, expiresAt }))
  })
}

function inRegistry<T>({ site }: Connection, work: (store: RegistryStore) => Promise<T>): Promise<T> {
  return withRegistry(site, 'trial', work)
}
