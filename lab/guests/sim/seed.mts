/** Translates a cloud-init drive to files that the guest's boot scripts read. */

import { parse } from 'yaml'
import type { CloudInitDrive, GuestCdrom } from '../driver.mts'
import { planUserData } from './cloud-config.mts'
import { openIso } from './iso9660.mts'
import { type Interface, planNetwork } from './network-config.mts'
import { shellCall, shellFunction, step, stepWithInput } from './shell.mts'

/** Files of a NoCloud drive. */
interface Seed {
  userData: string
  metaData: string
  networkConfig: string | undefined
}

/** Files for the guest's boot scripts: see cloud-init-boot in the image. */
interface SeedFiles {
  /** Shell functions. */
  plan: string
  userData: string
}

interface MetaData {
  'instance-id'?: string
  'local-hostname'?: string
}

/** Translates the drive of the VM's config. Without one, looks for an attached ISO with the label `cidata`. */
export async function translateSeed(
  drive: CloudInitDrive | undefined,
  cdroms: GuestCdrom[],
  interfaces: Interface[],
): Promise<SeedFiles | undefined> {
  const seed = drive ?? (await findSeedIso(cdroms))
  return seed && { plan: bootPlan(seed, interfaces), userData: seed.userData }
}

async function findSeedIso(cdroms: GuestCdrom[]): Promise<Seed | undefined> {
  for (const { path } of cdroms) {
    await using iso = await openIso(path)
    if (iso?.label.toLowerCase() !== 'cidata') continue
    const [userData, metaData, networkConfig] = await Promise.all(
      ['user-data', 'meta-data', 'network-config'].map(name => iso.read(name)),
    )
    // cloud-init accepts a drive as a NoCloud seed only if it has both files.
    if (!userData || !metaData) continue
    return {
      userData: userData.toString(),
      metaData: metaData.toString(),
      networkConfig: networkConfig?.toString(),
    }
  }
  return undefined
}

function bootPlan(seed: Seed, interfaces: Interface[]): string {
  const metaData = (parse(seed.metaData, { version: '1.1' }) ?? {}) as MetaData
  const network = planNetwork(seed.networkConfig, interfaces)
  const plan = planUserData(seed.userData, metaData['local-hostname'])
  const networkScript = `${network.steps.map(shellCall).join('\n')}\n`
  const problems = [
    ...network.warnings.map(message => step('recoverable', 'WARNING', message)),
    ...plan.problems.map(({ level, message }) => step('recoverable', level, message)),
  ]
  return [
    `instance_id=${shellCall(step(metaData['instance-id'] ?? 'nocloud'))}\n`,
    "datasource='DataSourceNoCloud [seed=/dev/sr0]'\n",
    shellFunction('plan_network', [stepWithInput(networkScript, 'save_network')]),
    shellFunction('plan_problems', problems),
    shellFunction('plan_every_boot', plan.everyBoot),
    shellFunction('plan_instance_init', plan.init),
    shellFunction('plan_instance_final', plan.final),
    shellFunction('plan_power_state', plan.power),
  ].join('')
}
