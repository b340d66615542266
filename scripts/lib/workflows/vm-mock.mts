import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../config/load.mts'
import { loadPools } from '../config/pools.mts'
import { loadVmDefaults } from '../config/vm-defaults.mts'
import { loadCredentials } from '../credentials/load.mts'
import type { Entry } from '../registry/entry.mts'
import { openRegistry } from './open-registry.mts'
import type { VmWishes } from './vm-design.mts'
import { renderVm } from './vm-folder.mts'
import { wantedVm } from './vm-reserve.mts'

/**
 * Reserves a VM in a registry that is thrown away, and renders its configuration. Proxmox is not asked, so that its
 * VMIDs, the disk of the VM template and privileges are not checked.
 */
export async function mockCreate(
  name: string,
  wishes: VmWishes,
): Promise<{ entry: Entry; configuration: object }> {
  const [config, pools, defaults] = await Promise.all([loadConfig(), loadPools(), loadVmDefaults()])
  // Only Proxmox knows where most memory is free.
  const placed = wishes.node === 'auto' ? { ...wishes, node: undefined } : wishes
  const wanted = await wantedVm(
    { config, credentials: await loadCredentials() },
    pools,
    defaults,
    name,
    placed,
  )
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-mock-'))
  const store = await openRegistry('vm create --mock', { kind: 'file', folder })
  try {
    const none = { takenVmids: new Set<number>(), takenAddresses: new Set<string>() }
    const [entry] = await store.reserve([wanted], { vmidRange: pools.vmidRange, ...none, now: new Date() })
    return { entry: entry!, configuration: (await renderVm(entry!, false)).configuration }
  } finally {
    await store.close()
    await rm(folder, { recursive: true, force: true })
  }
}
