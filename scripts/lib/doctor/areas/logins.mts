import { ProxmintError } from '../../run/errors.mts'
import { isAtLeast } from '../../tools/versions.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, faultOf, judgeLook, ok, once } from '../diagnosis.mts'
import { type Look, lookAt } from '../look.mts'
import { lookInProxmox, type Session } from '../session.mts'

const OLDEST = '8.4'

interface LoginFact {
  identity: string
  version: string
  major: number
  minor: number
}

/** Logins with the API token, and with the password if Packer takes nothing else; version of Proxmox VE. */
export const logins: DoctorCheck<Look<LoginFact>[]> = {
  area: 'Proxmox VE',
  look: ({ session, packerSession }) => lookAt(() => Promise.all([session, packerSession].map(describe))),
  judge: looks => once(looks.flatMap(look => judgeLook('Proxmox VE', look, judgeLogin))),
}

async function describe(session: Promise<Look<Session>>): Promise<Look<LoginFact>> {
  const given = await session
  // The failed login itself is the fact here.
  if ('error' in given) return given
  return lookInProxmox(session, async ({ client, version }) => ({ identity: client.identity, ...version }))
}

function judgeLogin({ identity, version, major, minor }: LoginFact): Diagnosis[] {
  if (isAtLeast(`${major}.${minor}`, OLDEST)) return [ok('Proxmox VE', `${version}, as ${identity}`)]
  const hint = `update it to ${OLDEST} or newer`
  return [faultOf('Proxmox VE', new ProxmintError(`it is ${version}`, { hint }))]
}
