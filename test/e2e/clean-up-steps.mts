/** The steps of Debian's clean-up, what the acceptance test finds without each, and a build without some. */
import { expect } from 'vitest'
import type { Workspace } from './workspace.mts'

export const cleanUp = 'packer/common/clean-up.sh'

/**
 * What a build can leave everywhere, made by hand: a simulated guest has no journal, no D-Bus, no DHCP client and no
 * credentials of systemd of its own.
 */
const traces = [
  'cd /var/lib && mkdir -p dbus dhcp systemd /var/tmp/build /var/log/journal/build',
  'echo 0 > dbus/machine-id && echo 0 > systemd/credential.secret && echo 0 > dhcp/dhclient.leases',
  'echo nameserver 192.168.122.1 > /etc/resolv.conf',
  'touch /var/cache/apt/archives/build.deb /root/.bash_history',
].join(' && ')

/** Every step of packer/common/clean-up.sh on Debian: its line, and the checks that fail without it. */
export const steps: [line: string, faults: RegExp[]][] = [
  ['rm -f /etc/ssh/ssh_host_*', [/^host-keys: the VM template keeps \/etc\/ssh\/ssh_host_/]],
  ['truncate -s 0 /etc/machine-id', [/^machine-id: both are [0-9a-f]{32}: the VM template keeps/]],
  ['rm -f /var/lib/dbus/machine-id', [/^machine-id: the VM template keeps \/var\/lib\/dbus\/machine-id$/]],
  ['rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret', [/^clean: host-secret \(.*\)$/]],
  ['rm -rf /var/lib/dhcp/* /var/lib/dhcpcd/*', [/^clean: leases \(.*\)$/]],
  ['[ -L /etc/resolv.conf ] || truncate -s 0 /etc/resolv.conf', [/^clean: name-servers \(.*\)$/]],
  ['cloud-init clean --logs --seed', [/^clean: cloud-init-state \(.*\), cloud-init-logs \(.*\)$/]],
  ['apt-get clean', [/^clean: package-cache \(.*\)$/]],
  ['rm -rf /var/lib/apt/lists/*', [/^clean: package-lists \(.*\)$/]],
  ['rm -rf /var/tmp/*', [/^clean: temporary-files \(.*\)$/]],
  ['journalctl --relinquish-var 2>/dev/null || true; rm -rf /var/log/journal/*', [/^clean: journal \(.*\)$/]],
  ['rm -f /etc/sudoers.d/90-cloud-init-users', [/^build-login: build-sudo \(.*\)$/]],
  [
    'rm -f /root/.ssh/authorized_keys /root/.bash_history',
    [/^build-login: authorized-keys \(\/root\/.*\)$/, /^clean: history \(\/root\/.bash_history\)$/],
  ],
  [
    'userdel --force --remove "$BUILD_USER" 2>/dev/null',
    [/^build-login: build-user \(packer\), build-home \(\/home\/packer\)/],
  ],
]

/** Builds a VM template that keeps what these steps would have removed. */
export async function buildWithout(workspace: Workspace, lines: string[]): Promise<void> {
  const inline = `["sudo sh -c '${traces}'", "cloud-init`
  await workspace.edit('packer/debian/debian.pkr.hcl', '["cloud-init', inline)
  for (const line of lines) await workspace.edit(cleanUp, `${line}\n`, ':\n')
  const { code } = await workspace.zx('build', ['debian', '--no-test'])
  expect(code, 'build').toBe(0)
}
