/** Firewall as the state keeps it. */

/** Rule with Proxmox's own keys: `type`, `action`, `source`, `enable`, ... */
export type FirewallRule = Record<string, string | number>

export interface FirewallAlias {
  name: string
  cidr: string
  ipversion: number
  comment?: string
}

export interface IpsetEntry {
  cidr: string
  nomatch?: number
  comment?: string
}

interface Commented<T> {
  comment?: string | undefined
  entries: T[]
}

export interface FirewallConf {
  options: Record<string, string | number>
  rules: FirewallRule[]
  /** By name in lower case. */
  aliases: Record<string, FirewallAlias>
  ipsets: Record<string, Commented<IpsetEntry>>
  /** Security groups; only the cluster has them. */
  groups: Record<string, Commented<FirewallRule>>
}
