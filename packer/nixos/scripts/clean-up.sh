#!/bin/sh
# Makes the disk a template: whatever one machine has for itself alone is taken away, so that every clone
# makes its own at its first boot. Runs as root, last, with the build's user in BUILD_USER.
set -eu

# Host keys: clones that share them can impersonate each other.
rm -f /etc/ssh/ssh_host_*

# machine-id: it decides about DHCP leases and journal ids. Empty means "make one at boot".
truncate -s 0 /etc/machine-id

# Entropy: clones that share a seed begin with the same randomness.
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret

# The network of the build: leases, and name servers where no link leads to another's file.
rm -rf /var/lib/dhcpcd/*
[ -L /etc/resolv.conf ] || truncate -s 0 /etc/resolv.conf

# cloud-init must take every clone for a new instance.
cloud-init clean --logs --seed

# What the build logged and wrote. /tmp needs nothing: it is emptied at boot.
rm -rf /var/tmp/*
# journald must not begin a new file there until the machine is off.
journalctl --relinquish-var 2>/dev/null || true; rm -rf /var/log/journal/*

# The build's user, its key, its password; its right to sudo goes with its groups.
rm -f /root/.ssh/authorized_keys /root/.bash_history
userdel --force --remove "$BUILD_USER" 2>/dev/null

sync
