/** Checks with Proxmox, the guest agent and the login. */

import { sharedAddress } from './addresses.mts'
import { type Check, listed } from './check.mts'
import type { CloneEvidence } from './evidence.mts'

export const outsideChecks: Check[] = [
  {
    name: 'full-clone',
    says: 'the disks of the VM template are its own',
    why: 'a disk that builds on the one of the base VM ties both together for ever and can stop at boot',
    judge: ({ disks }) => ({
      fault: listed(
        Object.entries(disks)
          .filter(([, volume]) => isLinked(volume))
          .map(([slot, volume]) => `${slot} is ${volume}, a linked clone`),
      ),
      fix: 'set `full_clone = true` in the source',
      found: Object.values(disks).join(', '),
    }),
  },
  {
    name: 'boots',
    says: 'both clones boot and go on running',
    why: 'every VM made from it would not either',
    judge: ({ clones }) => ({
      fault: listed(
        clones.filter(({ down }) => down !== undefined).map(({ vmid, down }) => `VM ${vmid}: ${down}`),
      ),
      fix: 'clone the VM template by hand and look at the console',
      found: clones.map(({ vmid }) => `VM ${vmid}`).join(', '),
    }),
  },
  {
    name: 'agent',
    says: 'the guest agent answers on both, if the family has one',
    why: 'Packer, OpenTofu and Proxmox ask it for addresses and for a clean shutdown',
    judge({ settings, clones, bootSeconds }) {
      if (!settings.agent || clones.some(({ down }) => down !== undefined)) return undefined
      return {
        fault: listed(
          clones
            .filter(({ agent }) => agent !== true)
            .map(({ vmid }) => `VM ${vmid} did not answer within ${bootSeconds} s`),
        ),
        fix: 'install and enable qemu-guest-agent and set `qemu_agent = true`; if it only takes longer to boot, raise test_boot_timeout_seconds',
        found: 'answers on both',
      }
    },
  },
  {
    name: 'address',
    says: 'each has the address it was given, by cloud-init or by DHCP, and no other has it',
    why: 'nobody can reach a VM whose network is not set up at its first boot',
    judge({ clones, ownNetwork }) {
      const asked = clones.filter(({ agent }) => agent === true)
      if (asked.length === 0) return undefined
      const shared = ownNetwork ? sharedAddress(clones) : undefined
      return {
        fault:
          shared === undefined
            ? listed(asked.filter(clone => !hasAddress(clone)).map(addressFault))
            : `both have ${shared}, as by DHCP machines with one machine-id do`,
        fix: 'empty the machine-id in the clean-up, `truncate -s 0 /etc/machine-id`; leave the network to cloud-init: no settings for the network card of the build may stay; DHCP must answer on the bridge',
        found: asked.map(({ addresses }) => addresses.join(' ')).join(', '),
      }
    },
  },
  {
    name: 'login',
    says: 'SSH lets in the user and key that cloud-init was given',
    why: 'that is the only way into a new VM',
    judge({ clones }) {
      const tried = clones.filter(({ inside, refused }) => inside !== undefined || refused !== undefined)
      if (tried.length === 0) return undefined
      return {
        fault: listed(
          tried
            .filter(({ refused }) => refused !== undefined)
            .map(({ vmid, refused }) => `VM ${vmid}: ${refused}`),
        ),
        fix: 'keep cloud-init and the SSH server enabled and a cloud-init drive on the VM template; the clones must be reachable from here',
        found: 'by key, on both',
      }
    },
  },
]

/** The volume of a linked clone begins with that of its base: `tank:base-9900-disk-0/vm-9000-disk-0`. */
function isLinked(volume: string): boolean {
  const [, name = ''] = volume.split(':')
  return name
    .split('/')
    .slice(0, -1)
    .some(part => part.startsWith('base-'))
}

function hasAddress({ addresses, wantedAddress }: CloneEvidence): boolean {
  return wantedAddress === undefined ? addresses.length > 0 : addresses.includes(wantedAddress)
}

function addressFault({ vmid, addresses, wantedAddress }: CloneEvidence): string {
  return `VM ${vmid} has ${addresses.join(' ') || 'none'}, wanted ${wantedAddress ?? 'one by DHCP'}`
}
