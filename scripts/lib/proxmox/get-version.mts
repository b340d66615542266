import type { ProxmoxClient } from './client.mts'
import { objectOf } from './shape.mts'

export interface ProxmoxVersion {
  /** `9.1.2`. */
  version: string
  major: number
  minor: number
}

/** GET /version; needs no privilege. */
export async function getVersion(client: ProxmoxClient): Promise<ProxmoxVersion> {
  const asked = client.request<{ version: string }>('GET', '/version')
  const { version } = await objectOf('GET /version', asked, { version: 'string' })
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return { version, major, minor }
}
