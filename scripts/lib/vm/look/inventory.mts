/** VMs as other tools read them: Ansible's dynamic inventory, a part of an SSH config, lines of a hosts file. Pure. */
import type { Entry } from '../../registry/entry.mts'

type Described = Pick<
  Entry,
  | 'name'
  | 'vmid'
  | 'node'
  | 'phase'
  | 'address'
  | 'pool'
  | 'owner'
  | 'ownerName'
  | 'expiresAt'
  | 'purpose'
  | 'template'
  | 'design'
>

interface Group {
  hosts: string[]
}

/** What `--list` of an inventory script prints: groups by name, and the variables of all hosts. */
type Inventory = Record<string, Group | { hostvars: Record<string, object> }>

/** Groups VMs by phase, pool, family, owner and tag. Variables that Ansible does not know begin with `proxmint_`. */
export function inventoryOf(entries: readonly Described[]): Inventory {
  const groups = new Map<string, Group>([['all', { hosts: [] }]])
  for (const entry of entries) {
    for (const name of ['all', ...groupsOf(entry)]) {
      const group = groups.get(name) ?? { hosts: [] }
      groups.set(name, { hosts: [...group.hosts, entry.name] })
    }
  }
  const hostvars = Object.fromEntries(entries.map(entry => [entry.name, variablesOf(entry)]))
  return { ...Object.fromEntries(groups), _meta: { hostvars } }
}

function groupsOf({ phase, pool, owner, ownerName, template, design }: Described): string[] {
  return [
    groupName('phase', phase),
    groupName('pool', pool),
    ...(template === null ? [] : [groupName('family', template.family)]),
    ...[owner, ownerName].flatMap(one => (one ? [groupName('owner', one)] : [])),
    ...(design?.tags ?? []).map(tag => groupName('tag', tag)),
  ]
}

/** Ansible warns of other characters in the name of a group. */
function groupName(kind: string, value: string): string {
  return `${kind}_${value.replaceAll(/[^A-Za-z0-9_]/g, '_')}`
}

function variablesOf(entry: Described): Record<string, unknown> {
  const { design, template } = entry
  return {
    ansible_host: entry.address,
    ...(design !== null && { ansible_user: design.cloudInit.username }),
    proxmint_vmid: entry.vmid,
    proxmint_node: entry.node,
    proxmint_phase: entry.phase,
    proxmint_pool: entry.pool,
    proxmint_expires_at: entry.expiresAt,
    proxmint_purpose: entry.purpose,
    ...(template !== null && { proxmint_family: template.family, proxmint_version: template.version }),
  }
}

/** A `Host` of each VM for `Include` in ~/.ssh/config. */
export function sshConfigOf(entries: readonly Described[]): string {
  return entries
    .map(({ name, address, design }) =>
      [
        `Host ${name}`,
        `  HostName ${address}`,
        ...(design === null ? [] : [`  User ${design.cloudInit.username}`]),
      ].join('\n'),
    )
    .join('\n\n')
}

/** A line of each VM for /etc/hosts. */
export function hostsLinesOf(entries: readonly Described[]): string {
  return entries.map(({ name, address }) => `${address}\t${name}`).join('\n')
}
