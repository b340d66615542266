#!/bin/sh
# Makes the disk a template: whatever one machine has for itself alone is taken away, so that every clone
# makes its own at its first boot. Runs as root, last, with the build's user in BUILD_USER.
set -eu

# Host keys: clones that share them can impersonate each other.
rm -f /etc/ssh/ssh_host_*

# machine-id: it decides about DHCP leases and journal ids. Empty means "make one at boot".
truncate -s 0 /etc/machine-id

# cloud-init must take every clone for a new instance.
cloud-init clean --logs --seed

# Packages and logs of the build. /tmp needs nothing: Debian empties it at boot.
apt-get clean
rm -rf /var/lib/apt/lists/*
rm -rf /var/tmp/*
rm -rf /var/log/journal/*

# The build's user, its key, its password and its right to sudo.
rm -f /etc/sudoers.d/90-cloud-init-users
rm -f /root/.ssh/authorized_keys
userdel --force --remove "$BUILD_USER" 2>/dev/null

sync
