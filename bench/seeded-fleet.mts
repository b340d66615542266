/** VMs that are in the registry and in the lab's state although nobody made them: making 10,000 would take a day. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLab, type LabOptions } from '../lab/create.mts'
import type { Entry, VmDesign } from '../scripts/lib/registry/entry.mts'
import { descriptionOf } from '../scripts/lib/registry/identity.mts'
import { entry } from '../test/unit/registry/entries.mts'

const dayMs = 24 * 60 * 60 * 1000
/** Of `config/proxmint.yaml`, whose VMs these are. */
export const site = 'bench'

const design: VmDesign = {
  template: { vmid: 9900, node: 'pve' },
  storage: 'tank',
  ...{ cores: 2, memory: 2048, disk: 20, agentTimeout: '10m', access: null },
  network: { prefix: 8, gateway: '10.0.0.1', dns: ['10.0.0.2'], bridge: 'vmbr0', vlan: null },
  tags: [`proxmint-${site}`, 'web'],
  cloudInit: {
    ...{ template: 'nft-auth', delivery: 'snippet', storage: 'local', username: 'ops' },
    sshAuthorizedKeys: [`ssh-ed25519 ${'A'.repeat(68)} ops@example.org`],
  },
}

/** Suspended, and every second one for so long that it is due; the lab cannot have thousands that run. */
export function seededEntries(count: number, firstVmid: number): Entry[] {
  const at = (daysAgo: number): string => new Date(Date.now() - daysAgo * dayMs).toISOString()
  return Array.from({ length: count }, (_, n) => {
    const [expired, suspended] = n % 2 === 0 ? [40, 40] : [2, 2]
    const told = ['reserved', 'created', 'active'].map(what => ({ at: at(70), what }))
    return entry(`there-${n}`, {
      ...{ node: 'pve', phase: 'suspended', vmid: firstVmid + n, design, expiresAt: at(expired) },
      address: `10.1.${n >> 8}.${n & 255}`,
      history: [...told, { at: at(suspended), what: 'suspended' }],
    })
  })
}

/** Puts the VMs of entries, powered off, into the state of a lab that does not run. */
export async function seedLab(stateFolder: string, entries: Entry[]): Promise<void> {
  const file = join(stateFolder, 'pve/state.json')
  const state = JSON.parse(await readFile(file, 'utf8'))
  for (const one of entries) {
    const config = {
      ...{ name: one.name, description: descriptionOf(one), tags: `proxmint-${site};web`, memory: '2048' },
      ...{ cores: '2', scsihw: 'virtio-scsi-single', net0: 'virtio=BC:24:11:00:00:01,bridge=vmbr0' },
    }
    const nothing = { pending: {}, pendingDelete: [] }
    state.vms[one.vmid] = { vmid: one.vmid, node: 'pve', config, ...nothing }
  }
  await writeFile(file, JSON.stringify(state))
}

/** A lab with the VMs of entries; what it has beside them is what is in the state folder. */
export async function labWith(entries: Entry[], options: LabOptions & { stateFolder: string }) {
  // Its state is written when it starts for the first time.
  await (await createLab(options)).close()
  await seedLab(options.stateFolder, entries)
  return createLab(options)
}
