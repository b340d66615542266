import type { Credentials } from '../credentials/credentials.mts'
import type { NodeSummary } from '../proxmox/list-nodes.mts'
import type { StorageSummary } from '../proxmox/list-storages.mts'
import type { VmSummary } from '../proxmox/list-vms.mts'
import type { RegistryResult } from '../site/registry-command.mts'
import type { WantedStorage } from '../site/require-storages.mts'
import type { Families } from '../templates/version.mts'
import type { WorkVerdict } from './check-permissions.mts'

/** What one look brought: what it found, why it failed, or what it would have needed before. */
export type Gathered<T> = { value: T } | { error: unknown } | { lacks: string }

/** Everything `doctor` looked at; its verdicts follow from this alone. */
export interface Facts {
  programs: ProgramFact[]
  disks: DiskFact[]
  /** One per file of the config. */
  configs: Gathered<unknown>[]
  credentials: Gathered<Credentials>
  /** With the API token, and with the password where this Packer takes nothing else. */
  logins: Gathered<{ identity: string; version: string; major: number; minor: number }>[]
  /** How far Proxmox's clock is ahead of this machine's, in milliseconds; undefined: it does not tell. */
  clockAheadMs: Gathered<number | undefined>
  permissions: Gathered<WorkVerdict>[]
  node: Gathered<{ wanted: string; found: NodeSummary[] }>
  storages: Gathered<{ identity: string; node: string; wanted: WantedStorage[]; found: StorageSummary[] }>
  bridges: Gathered<{ node: string; wanted: WantedBridge[]; found: string[] }>
  /** One per folder of packer/. */
  families: Gathered<FamilyFact>[]
  /** All VMs that can be seen. */
  vms: Gathered<VmSummary[]>
  versions: Gathered<Families>
  /** The family VMs are made of where nobody says another; undefined where the config does not tell. */
  defaultFamily: string | undefined
  /** Undefined where user-data takes another way, or the config does not tell. */
  nodeSsh: Gathered<{ user: string; host: string }> | undefined
  /** Undefined where no chain is configured. */
  chain: Gathered<{ chainId: number; contract: string; profile: string }> | undefined
  /** Undefined where no key is configured. */
  signer: Gathered<{ address: string; balanceWei: bigint }> | undefined
  registry: Gathered<RegistryResult>
}

export interface ProgramFact {
  name: string
  /** Undefined where nothing usable was found. */
  version: string | undefined
  /** What was found and will not do. */
  rejected: string[]
  fix: string
}

export interface DiskFact {
  path: string
  freeBytes: number
  writable: boolean
}

export interface WantedBridge {
  bridge: string
  setBy: string
}

export interface FamilyFact {
  os: string
  /** Of the base VM it is built from; undefined where it is installed from a medium. */
  baseName: string | undefined
}

/** Does `work`; its failure is a fact too. */
export async function gather<T>(work: () => Promise<T>): Promise<Gathered<T>> {
  try {
    return { value: await work() }
  } catch (error) {
    return { error }
  }
}

/** Does `work` with what was gathered before; without that there is nothing to look at. @param lacks in words. */
export async function gatherWith<A, T>(
  before: Gathered<A> | Promise<Gathered<A>>,
  lacks: string,
  work: (value: A) => Promise<T>,
): Promise<Gathered<T>> {
  const given = await before
  if ('value' in given) return gather(() => work(given.value))
  return { lacks: 'lacks' in given ? given.lacks : lacks }
}
