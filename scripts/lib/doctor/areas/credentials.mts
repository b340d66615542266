import type { Credentials } from '../../credentials/credentials.mts'
import type { DoctorCheck } from '../check.mts'
import { ok } from '../diagnosis.mts'

/** Credentials of Proxmox VE: readable, and each value valid. */
export const credentials: DoctorCheck<Pick<Credentials, 'node'>> = {
  area: 'credentials',
  denied: true,
  look: shared => shared.credentials,
  judge: ({ node }) => [ok('credentials', `for node ${node}`)],
}
