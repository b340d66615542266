#!/bin/sh
# Makes the disk a template: whatever one machine has for itself alone is taken away, so that every clone
# makes its own at its first boot. Runs as root, last, with the build's user in BUILD_USER.
set -eu

# Host keys: clones that share them can impersonate each other.
rm -f /etc/ssh/ssh_host_*

# machine-id: it decides about DHCP leases and journal ids. Empty means "make one at boot". D-Bus links to it.
truncate -s 0 /etc/machine-id
rm -f /var/lib/dbus/machine-id

# Entropy: clones that share a seed begin with the same randomness.
rm -f /var/lib/systemd/random-seed /var/lib/systemd/credential.secret

# The network of the build: leases, and name servers where no link leads to another's file.
rm -rf /var/lib/dhcp/* /var/lib/dhcpcd/*
[ -L /etc/resolv.conf ] || truncate -s 0 /etc/resolv.conf

# cloud-init must take every clone for a new instance.
cloud-init clean --logs --seed

# Packages of the build, and what else one system alone has. NixOS has nothing here.
. /etc/os-release
case " $ID ${ID_LIKE:-} " in
  *' debian '*)
    apt-get clean
    rm -rf /var/lib/apt/lists/*
    ;;
  *' arch '*)
    find /var/cache/pacman/pkg -mindepth 1 -delete
    rm -rf /var/lib/pacman/sync/*
    # pacman's own secret key: pacman-init.service makes one, but only at a first boot. This word in machine-id means
    # "make one at boot, and that boot is the first"; an empty file does not mean the second half.
    gpgconf --homedir /etc/pacman.d/gnupg --kill all || true
    rm -rf /etc/pacman.d/gnupg
    echo uninitialized >/etc/machine-id
    ;;
esac

# What the build logged and wrote. /tmp needs nothing: it is emptied at boot.
rm -rf /var/tmp/*
# journald must not begin a new file there until the machine is off.
journalctl --relinquish-var 2>/dev/null || true; rm -rf /var/log/journal/*

# The build's user, its key, its password and its right to sudo.
rm -f /etc/sudoers.d/90-cloud-init-users
rm -f /root/.ssh/authorized_keys /root/.bash_history
userdel --force --remove "$BUILD_USER" 2>/dev/null

sync
