import type { Config } from '../config/load.mts'
import type { Connection } from '../site/connect.mts'
import { checkBaseImport, checkBuild, checkVms, type WorkVerdict } from '../site/work-permissions.mts'
import type { LoadedFamily } from './families.mts'
import { type Look, lookWith } from './look.mts'
import { lookInProxmox, type Session } from './session.mts'

const NO_CONFIG = 'the config cannot be read'

/** Looks that the checks of permissions stand on. */
interface Ground {
  config: Promise<Look<Config>>
  families: Promise<Look<LoadedFamily>[]>
  session: Promise<Look<Session>>
  packerSession: Promise<Look<Session>>
}

/** Compares needed and granted privileges of each kind of work: builds of cloned families, base import, VMs. */
export async function lookAtPermissions(ground: Ground): Promise<Look<WorkVerdict>[]> {
  const { session, packerSession } = ground
  const families = (await ground.families).flatMap(one => ('value' in one ? [one.value] : []))
  const cloned = families.filter(({ baseName }) => baseName !== undefined)
  return Promise.all([
    ...cloned.map(({ template }) => check(ground, packerSession, one => checkBuild(one, template))),
    check(ground, session, checkBaseImport),
    check(ground, session, checkVms),
  ])
}

async function check(
  { config }: Ground,
  session: Promise<Look<Session>>,
  work: (connection: Connection) => Promise<WorkVerdict>,
): Promise<Look<WorkVerdict>> {
  const loaded = await lookWith(config, NO_CONFIG, async value => value)
  if (!('value' in loaded)) return loaded
  return lookInProxmox(session, one => work({ ...one, config: loaded.value }))
}
