#!/bin/bash
# Turns a fresh minimal Debian root into the lab's cloud image. Run by mmdebstrap as a customize hook:
#   prepare.sh ROOT, with PARTUUID, PACKAGES and PACKAGE_SOURCE in the environment.
# Leaves /lab-packages in the root: a flat apt repository that the caller moves out.
set -euo pipefail
root=$1
# shellcheck source=lab/images/packages.sh
source "${BASH_SOURCE[0]%/*}/packages.sh"

# As in Debian's cloud images: no identity yet, no password logins, nothing that waits for hardware.
become_cloud_image() {
  rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/systemd/system/multi-user.target.wants/e2scrub_reap.service"
  : > "$root/etc/machine-id"
  : > "$root/etc/resolv.conf"
  chmod 0644 "$root/etc/resolv.conf"
  echo localhost > "$root/etc/hostname"
  sed -i 's/^#\?PasswordAuthentication.*/PasswordAuthentication no/' "$root/etc/ssh/sshd_config"
  mkdir -p "$root/boot"
  echo "root=PARTUUID=$PARTUUID ro console=ttyS0" > "$root/boot/cmdline"
  rm -rf "$root"/var/log/*.log
}

# The lab's own commands stay, whatever package a guest installs.
keep_commands() {
  local path
  for path in /usr/sbin/{init,halt,poweroff,reboot,shutdown} /usr/bin/{systemctl,cloud-init}; do
    chroot "$root" dpkg-divert --quiet --local --no-rename --add "$path"
  done
}

download_packages
index_packages
keep_commands
become_cloud_image
use_package_source
