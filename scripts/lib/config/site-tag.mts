import type { Config } from './load.mts'

/** Tag of all that this site has in Proxmox. */
export function siteTagOf({ site }: Pick<Config, 'site'>): string {
  return `proxmint-${site}`
}
