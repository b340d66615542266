#!/bin/bash
# Turns a fresh minimal Debian root into the lab's cloud image. Run by mmdebstrap as a customize hook:
#   prepare.sh ROOT, with PARTUUID, PACKAGES and PACKAGE_SOURCE in the environment.
# Leaves /lab-packages in the root: a flat apt repository that the caller moves out.
set -euo pipefail
root=$1

# What the image does not have but guests install: kept with what it depends on beyond the image.
download_packages() {
  chroot "$root" apt-get -q clean
  # shellcheck disable=SC2086 # a list of names
  chroot "$root" apt-get -q -y --download-only --no-install-recommends install $PACKAGES
  mkdir "$root/lab-packages"
  mv "$root"/var/cache/apt/archives/*.deb "$root/lab-packages/"
  chroot "$root" apt-get -q clean
}

index_packages() {
  local deb
  cd "$root/lab-packages"
  for deb in *.deb; do
    chroot "$root" dpkg-deb --field "/lab-packages/$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' \
      "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
  done > Packages
  {
    printf 'Origin: proxmint-lab\nSuite: lab\nDate: %s\nSHA256:\n' "$(date -R -u)"
    printf ' %s %s Packages\n' "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)"
  } > Release
}

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
  rm -rf "$root"/etc/apt/sources.list.d/* "$root"/var/log/*.log
  echo "deb [trusted=yes] $PACKAGE_SOURCE ./" > "$root/etc/apt/sources.list"
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
