/** Privileges and built-in roles of each major version (PVE/AccessControl.pm). */

export type MajorVersion = 8 | 9

interface PrivilegeGroup {
  /** Privileges that only the built-in role Administrator has. */
  root: string[]
  admin: string[]
  user: string[]
  audit: string[]
}

const VM_CONFIG = ['Disk', 'CPU', 'Memory', 'Network', 'HWType', 'Options'].map(key => `VM.Config.${key}`)

const VM_COMMON: PrivilegeGroup = {
  root: [],
  admin: [...VM_CONFIG, 'VM.Allocate', 'VM.Clone', 'VM.Migrate', 'VM.Snapshot', 'VM.Snapshot.Rollback'],
  user: ['VM.Config.CDROM', 'VM.Config.Cloudinit', 'VM.Console', 'VM.Backup', 'VM.PowerMgmt'],
  audit: ['VM.Audit'],
}

function vmGroup(version: MajorVersion): PrivilegeGroup {
  return version === 8
    ? { ...VM_COMMON, admin: [...VM_COMMON.admin, 'VM.Monitor'] }
    : {
        root: [],
        admin: [...VM_COMMON.admin, 'VM.GuestAgent.Unrestricted', 'VM.Replicate'],
        user: [
          ...VM_COMMON.user,
          'VM.GuestAgent.FileRead',
          'VM.GuestAgent.FileSystemMgmt',
          'VM.GuestAgent.FileWrite',
        ],
        audit: [...VM_COMMON.audit, 'VM.GuestAgent.Audit'],
      }
}

function groupsOf(version: MajorVersion): Record<string, PrivilegeGroup> {
  return {
    VM: vmGroup(version),
    Sys: {
      root: ['Sys.PowerMgmt', 'Sys.Modify', 'Sys.Incoming', 'Sys.AccessNetwork'],
      admin: ['Sys.Console', 'Sys.Syslog'],
      user: [],
      audit: ['Sys.Audit'],
    },
    Datastore: {
      root: [],
      admin: ['Datastore.Allocate', 'Datastore.AllocateTemplate'],
      user: ['Datastore.AllocateSpace'],
      audit: ['Datastore.Audit'],
    },
    SDN: { root: [], admin: ['SDN.Allocate', 'SDN.Audit'], user: ['SDN.Use'], audit: ['SDN.Audit'] },
    User: {
      root: ['Realm.Allocate'],
      admin: ['User.Modify', 'Group.Allocate', 'Realm.AllocateUser'],
      user: [],
      audit: [],
    },
    Pool: { root: [], admin: ['Pool.Allocate'], user: ['Pool.Audit'], audit: ['Pool.Audit'] },
    Mapping: { root: [], admin: ['Mapping.Modify'], user: ['Mapping.Use'], audit: ['Mapping.Audit'] },
  }
}

function unique(values: string[]): string[] {
  return [...new Set(values)].sort()
}

/** Returns all privileges of a version. */
export function privilegesOf(version: MajorVersion): ReadonlySet<string> {
  const grouped = Object.values(groupsOf(version)).flatMap(g => [
    ...g.root,
    ...g.admin,
    ...g.user,
    ...g.audit,
  ])
  return new Set(unique(['Permissions.Modify', ...grouped]))
}

/** Returns the built-in roles with their privileges. A client cannot change or remove them. */
export function builtInRoles(version: MajorVersion): Record<string, string[]> {
  const groups = groupsOf(version)
  const grouped = Object.values(groups)
  const roles: Record<string, string[]> = {
    NoAccess: [],
    Administrator: [...privilegesOf(version)],
    // Mapping.Modify would let a PVEAdmin reach the host's hardware.
    PVEAdmin: grouped.flatMap(g => [...g.admin, ...g.user, ...g.audit]).filter(p => p !== 'Mapping.Modify'),
    PVEAuditor: grouped.flatMap(g => g.audit),
    PVETemplateUser: ['VM.Audit', 'VM.Clone'],
  }
  for (const [name, group] of Object.entries(groups)) {
    roles[`PVE${name}Admin`] = [...group.admin, ...group.user, ...group.audit]
    if (group.user.length > 0) roles[`PVE${name}User`] = [...group.user, ...group.audit]
  }
  const named = Object.entries(roles).map(([name, privileges]) => [name, unique(privileges)])
  // Without a prototype, so that `constructor` is not found as a role.
  return Object.assign(Object.create(null), Object.fromEntries(named))
}

/** Finds the first privilege that a version does not know. For example, PVE 9 has no `VM.Monitor`. */
export function unknownPrivilege(version: MajorVersion, privileges: string[]): string | undefined {
  return privileges.find(privilege => !privilegesOf(version).has(privilege))
}
