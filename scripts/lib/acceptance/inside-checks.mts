/** Checks of the clones from inside, by SSH. */

import { type Check, inside, listed } from './check.mts'
import type { CloudInitStatus, Inspection, Leftover } from './inspection.mts'

/** Smallest growth of the file system, as a share of the disk's growth. ext4 itself needs 1 to 2 %. */
const SHARE_OF_GROWTH = 0.9

/** Kinds of leftovers in first-boot.sh for the check `clean`; `host-keys` has its own check. */
const LEFT_BY_BUILD = [
  'host-secret',
  'leases',
  'name-servers',
  'package-keys',
  'cloud-init-state',
  'cloud-init-logs',
  'package-lists',
  'package-cache',
  'temporary-files',
  'journal',
  'history',
]
/** Kinds of leftovers for the check `build-login`. */
const LEFT_BY_LOGIN = ['build-user', 'build-home', 'build-sudo', 'authorized-keys', 'password']

export const insideChecks: Check[] = [
  {
    name: 'cloud-init',
    says: '`cloud-init status` ends with 0, or with 2 for nothing but deprecations',
    why: 'what cloud-init could not do is missing in every VM',
    judge: inside(both => ({
      fault: listed(both.flatMap(({ cloudInit }) => cloudInitFaults(cloudInit))),
      fix: 'look at /var/log/cloud-init.log in a clone',
      found: both.map(({ cloudInit }) => `${cloudInit.exitCode} (${cloudInit.status})`).join(', '),
    })),
  },
  {
    name: 'machine-id',
    says: 'the clones have different machine-ids',
    why: 'machines with one machine-id get the same DHCP lease and mix up their journals',
    judge: inside(([first, second]) => ({
      fault: machineIdFault(first, second),
      fix: 'in the clean-up: `truncate -s 0 /etc/machine-id`, `rm -f /var/lib/dbus/machine-id`',
      found: `${first.machineId} and ${second.machineId}`,
    })),
  },
  {
    name: 'host-keys',
    says: 'the clones have SSH host keys of their own, and the VM template has none',
    why: 'whoever has the private key of another machine can pass for it',
    judge: inside(([first, second]) => ({
      fault: listed([
        ...first.hostKeys
          .filter(key => second.hostKeys.includes(key))
          .map(key => `both have the ${key.split(' ')[0]} key`),
        ...paths(second.leftovers, ['host-keys']).map(path => `the VM template keeps ${path}`),
      ]),
      fix: 'remove them in the clean-up: `rm -f /etc/ssh/ssh_host_*`',
      found: `${first.hostKeys.length} and ${second.hostKeys.length}, all different`,
    })),
  },
  {
    name: 'disk-grows',
    says: 'the root file system grows with the disk',
    why: 'a VM that was given more disk would not have it',
    judge: ({ clones: [first, second], grownBytes }) => {
      if (first.inside === undefined || second.inside === undefined) return undefined
      const grown = first.inside.rootBytes - second.inside.rootBytes
      return {
        fault:
          grown >= SHARE_OF_GROWTH * grownBytes
            ? undefined
            : `the disk grew by ${mebibytes(grownBytes)}, the file system by ${mebibytes(grown)}`,
        fix: 'install growpart (Debian: cloud-guest-utils) and make the root partition the last one',
        found: `by ${mebibytes(grown)}`,
      }
    },
  },
  {
    name: 'host-name',
    says: 'each is called what Proxmox calls it',
    why: 'logs and DHCP would know all VMs by one name',
    judge: ({ clones }) => {
      const seen = clones.filter(({ inside: found }) => found !== undefined)
      if (seen.length === 0) return undefined
      return {
        fault: listed(
          seen
            .filter(({ name, inside: found }) => found!.hostName !== name)
            .map(({ name, inside: found }) => `${name} calls itself ${found!.hostName || 'nothing'}`),
        ),
        fix: 'let cloud-init set it: no `preserve_hostname: true` in /etc/cloud',
        found: seen.map(({ name }) => name).join(', '),
      }
    },
  },
  {
    name: 'build-login',
    says: 'no login of the build is left: no user, key, password or right to sudo',
    why: 'whoever has it, or can guess it, gets into every VM',
    judge: inside(([, second]) => ({
      fault: kept(second.leftovers, LEFT_BY_LOGIN),
      fix: 'delete the user with its home, authorized_keys and sudoers file in the clean-up, and lock passwords: `passwd --lock`',
      found: 'none',
    })),
  },
  {
    name: 'ports',
    says: 'nothing but the ports of family.yaml listens on more than loopback (TCP)',
    why: 'every VM would offer it to its network from the first second on',
    judge: ({ clones, settings, ownNetwork }) => {
      const seen = clones.flatMap(({ inside: found }) => found ?? [])
      if (seen.length === 0 || !ownNetwork) return undefined
      const open = [...new Set(seen.flatMap(({ ports }) => ports))]
      return {
        fault: listed(
          open.filter(port => !settings.ports.includes(port)).map(port => `port ${port} listens`),
        ),
        fix: 'disable the service (`ss -tlnp` in a clone names it), or name the port in family.yaml if it belongs to the family',
        found: open.join(', ') || 'none',
      }
    },
  },
  {
    name: 'packages',
    says: 'the package database is consistent',
    why: 'the next update in every VM would stumble over it',
    judge: inside(both => ({
      fault: listed([...new Set(both.flatMap(({ packageFaults }) => packageFaults))].slice(0, 5)),
      fix: 'finish what was begun: `dpkg --configure -a`, or the packages that are named',
      found: `${both[0].packages.length} packages`,
    })),
  },
  {
    name: 'clean',
    says: 'state, logs, leases, keys, caches, temporary files and histories of the build are gone',
    why: 'cloud-init can take a clone for a machine that is set up, and everybody can read what the build did',
    judge: inside(([, second]) => ({
      fault: kept(second.leftovers, LEFT_BY_BUILD),
      fix: 'see packer/common/clean-up.sh, which says why for each',
      found: 'nothing is left',
    })),
  },
]

function machineIdFault(first: Inspection, second: Inspection): string | undefined {
  if (first.machineId === '' || second.machineId === '') return 'a clone has none'
  if (first.machineId === second.machineId) {
    return `both are ${first.machineId}: the VM template keeps /etc/machine-id`
  }
  const [copy] = paths(second.leftovers, ['dbus-machine-id'])
  return copy === undefined ? undefined : `the VM template keeps ${copy}`
}

function cloudInitFaults({ exitCode, status, errors, recoverable }: CloudInitStatus): string[] {
  const beyond = Object.entries(recoverable).filter(
    ([level]) => level !== 'DEPRECATED' && level !== 'DEPRECATION',
  )
  const faults = [
    ...errors,
    ...beyond.flatMap(([level, messages]) => messages.map(message => `${level}: ${message}`)),
  ]
  if (faults.length > 0) return faults
  if (exitCode === 0 || (exitCode === 2 && Object.keys(recoverable).length > 0)) return []
  return [`it ended with ${exitCode} (${status})`]
}

function paths(leftovers: Leftover[], kinds: string[]): string[] {
  return leftovers.filter(({ kind }) => kinds.includes(kind)).map(({ path }) => path)
}

/** Text of the leftovers by kind, each with its first path: `journal (/var/log/journal/x), ...`. */
function kept(leftovers: Leftover[], kinds: string[]): string | undefined {
  return listed(
    kinds.flatMap(kind => {
      const [first, ...more] = paths(leftovers, [kind])
      if (first === undefined) return []
      return [`${kind} (${first}${more.length > 0 ? ` and ${more.length} more` : ''})`]
    }),
  )
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}
