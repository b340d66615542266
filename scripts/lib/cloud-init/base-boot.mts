import { isoImage } from './iso9660.mts'

/**
 * What a base VM does at its one boot: it installs the guest agent, which official images ship without and
 * Packer asks for the address; takes away what it made for itself alone; and powers off. It stays on where
 * the agent could not be installed, so that a failure never looks like success. On a rolling release the next boot
 * counts as a first one again, by what its machine-id says: Arch makes pacman's keyring then.
 */
const userData = (upgrade: boolean): string => `#cloud-config
users: []
package_update: true
package_upgrade: ${upgrade}
packages:
  - qemu-guest-agent
runcmd:
  - [sh, -c, "if command -v apt-get; then apt-get clean; fi"]
  - [sh, -c, "rm -rf /var/lib/apt/lists/* /var/cache/pacman/pkg/* /etc/pacman.d/gnupg /etc/ssh/ssh_host_*"]
  - [sh, -c, "${upgrade ? 'echo uninitialized >' : ': >'} /etc/machine-id"]
power_state:
  mode: poweroff
  message: the base VM is ready
  timeout: 60
  condition: test -x /usr/sbin/qemu-ga
`

/**
 * The NoCloud ISO for the first boot of a base VM.
 * @param name becomes the host name of that boot.
 * @param upgrade whether every package is brought up to date before: a rolling release is never upgraded in part.
 */
export function baseBootIso(name: string, upgrade: boolean): Uint8Array<ArrayBuffer> {
  return isoImage('cidata', {
    'user-data': userData(upgrade),
    'meta-data': `instance-id: ${name}\nlocal-hostname: ${name}\n`,
  })
}
