import { type Credentials, TLS_FIX, tlsWarning } from '../../credentials/credentials.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, ok } from '../diagnosis.mts'

const area = 'credentials'

/** Credentials of Proxmox VE: readable, and each value valid. */
export const credentials: DoctorCheck<Pick<Credentials, 'node' | 'skipTlsVerify'>> = {
  area,
  denied: true,
  look: shared => shared.credentials,
  judge: ({ node, skipTlsVerify }) => {
    const what = tlsWarning({ skipTlsVerify })
    const note: Diagnosis[] = what === undefined ? [] : [{ area, level: 'note', what, fix: TLS_FIX }]
    return [ok(area, `for node ${node}`), ...note]
  },
}
