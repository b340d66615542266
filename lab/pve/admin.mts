/** Access beside the API, for tests and the lab's own commands. */

import type { NodeCommand } from '../node-ssh/commands.mts'
import type { Mount } from '../node-ssh/mounts.mts'
import { passwordMatches } from './access/secrets.mts'
import type { Fault, FaultReport } from './core/fault.mts'
import { mountsOf } from './core/node-paths.mts'
import type { Pve } from './core/pve.mts'
import type { TaskRecord, VmConfig } from './core/state.mts'
import { writeUserCfg } from './core/user-cfg.mts'
import { pvesm } from './storage/pvesm.mts'
import { qm } from './vm/qm.mts'

export interface PveAdmin {
  /** Returns the raw config, as in Proxmox's own file. */
  vmConfig(vmid: number): VmConfig | undefined
  vmids(): number[]
  tasks(): readonly TaskRecord[]
  /** Writes users, tokens, roles, pools and ACLs in the format of Proxmox's user.cfg. */
  userCfg(): string
  /** Checks a user's password. */
  isPassword(userid: string, text: string): boolean
  /** Replaces all faults. */
  setFaults(faults: Fault[]): void
  /** Lists the faults with their counts. */
  faults(): FaultReport[]
  /** Resolves when no task runs. */
  settled(): Promise<void>
  /** Reads the output of a running guest on its serial console. */
  console(vmid: number): Promise<string | undefined>
  /** Lists the paths of the first node's storages, and the lab's folders for them. */
  mounts(): Mount[]
  /** Commands of the node's shell that the lab answers. */
  commands: Readonly<Record<string, NodeCommand>>
}

export function adminOf(pve: Pve): PveAdmin {
  return {
    vmConfig: vmid => pve.store.state.vms[vmid]?.config,
    vmids: () => Object.keys(pve.store.state.vms).map(Number),
    tasks: () => pve.store.state.tasks,
    userCfg: () => writeUserCfg(pve.store.state.access),
    isPassword: (userid, text) => passwordMatches(text, pve.store.state.passwords[userid]),
    setFaults: faults => pve.faults.set(faults),
    faults: () => pve.faults.list(),
    settled: () => pve.tasks.settled(),
    console: async vmid => pve.live.get(vmid)?.guest.console(),
    mounts: () => mountsOf({ state: pve.store.state, node: pve.node }),
    commands: { pvesm: pvesm(pve), qm: qm(pve) },
  }
}
