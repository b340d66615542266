import { isoImage } from './iso9660.mts'

/**
 * What a base VM does at its one boot: it installs the guest agent, which official images ship without and
 * Packer asks for the address; takes away what it made for itself alone; and powers off. It stays on where
 * the agent could not be installed, so that a failure never looks like success.
 */
const userData = `#cloud-config
users: []
package_update: true
packages:
  - qemu-guest-agent
runcmd:
  - [apt-get, clean]
  - [sh, -c, "rm -rf /var/lib/apt/lists/* /etc/ssh/ssh_host_*"]
  - [truncate, -s, "0", /etc/machine-id]
power_state:
  mode: poweroff
  message: the base VM is ready
  timeout: 60
  condition: test -x /usr/sbin/qemu-ga
`

/** The NoCloud ISO for the first boot of a base VM. @param name becomes the host name of that boot. */
export function baseBootIso(name: string): Uint8Array<ArrayBuffer> {
  return isoImage('cidata', {
    'user-data': userData,
    'meta-data': `instance-id: ${name}\nlocal-hostname: ${name}\n`,
  })
}
