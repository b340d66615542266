import { exitCodes, ProxmintError } from '../run/errors.mts'
import type { Config } from './load.mts'
import type { PoolConfig } from './pools.mts'

/** Checks that VMs and VM templates have separate VMIDs. @throws ProxmintError (invalid) if their ranges overlap. */
export function requireSeparateRanges(
  { vmidRange }: Pick<PoolConfig, 'vmidRange'>,
  { templateVmidRange, baseVmidRange }: Pick<Config, 'templateVmidRange' | 'baseVmidRange'>,
): void {
  const others = { template_vmid_range: templateVmidRange, base_vmid_range: baseVmidRange }
  for (const [key, [first, last]] of Object.entries(others)) {
    if (vmidRange[1] < first || last < vmidRange[0]) continue
    throw new ProxmintError(
      `vmid_range [${vmidRange.join(', ')}] overlaps ${key} [${first}, ${last}]: a VM and a VM template could get the ` +
        'same VMID',
      {
        hint: `narrow one of them: vmid_range is in config/db.yaml, ${key} in config/proxmint.yaml`,
        exitCode: exitCodes.invalid,
      },
    )
  }
}
