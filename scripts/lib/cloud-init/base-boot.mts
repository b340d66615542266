import { isoImage } from './iso9660.mts'

/**
 * User-data for the only boot of a base VM. It installs the guest agent: official images lack it, and Packer needs it
 * for the address. It removes its own keys, caches and machine-id, and powers off. If the agent could not be installed,
 * the VM stays on, so that a failure never looks like success. On a rolling release the machine-id makes the next boot
 * a first boot again: Arch Linux then creates pacman's keyring.
 */
function userData(upgrade: boolean): string {
  return `#cloud-config
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
}

/**
 * Creates the NoCloud ISO for the first boot of a base VM.
 * @param name Host name during that boot.
 * @param upgrade Upgrades every package first. A rolling release must never be upgraded in part.
 */
export function baseBootIso(name: string, upgrade: boolean): Uint8Array<ArrayBuffer> {
  return isoImage('cidata', {
    'user-data': userData(upgrade),
    'meta-data': `instance-id: ${name}\nlocal-hostname: ${name}\n`,
  })
}
