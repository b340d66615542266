#!/bin/bash
# Turns a fresh Debian root with a kernel into the root of a cloud image that boots by itself. Run by mmdebstrap
# as a customize hook: prepare-machine.sh ROOT, with PARTUUID, PACKAGES and PACKAGE_SOURCE in the environment.
# Leaves /lab-packages in the root, and in /boot/grub what make-disk.sh writes in front of the partition.
set -euo pipefail
root=$1
# shellcheck source=lab/images/packages.sh
source "${BASH_SOURCE[0]%/*}/packages.sh"

# While there is no systemd-resolved to answer, names are looked up where this machine does.
borrow_resolver() {
  rm -f "$root/etc/resolv.conf"
  cat /etc/resolv.conf > "$root/etc/resolv.conf"
}

return_resolver() {
  ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
}

# GRUB on the boot disk's first partition, for BIOS and UEFI alike. The links to the kernel follow its upgrades.
install_boot_loader() {
  mkdir -p "$root/boot/grub"
  cat > "$root/boot/grub/grub.cfg" << END
serial --unit=0 --speed=115200
terminal_output console serial
linux /vmlinuz root=PARTUUID=$PARTUUID ro console=tty0 console=ttyS0,115200
initrd /initrd.img
boot
END
  chroot "$root" grub-mkimage --format=i386-pc --output=/boot/grub/core.img --prefix='(,msdos1)/boot/grub' \
    biosdisk part_msdos ext2 normal linux serial
  cp "$root/usr/lib/grub/i386-pc/boot.img" "$root/boot/grub/boot.img"
}

# As in Debian's cloud images: no identity yet, no password logins. Locales are the exception: cloud-init would
# generate one at the first boot, which takes an emulated machine long.
become_cloud_image() {
  rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/systemd/system/multi-user.target.wants/e2scrub_reap.service"
  echo LANG=C.UTF-8 > "$root/etc/default/locale"
  echo 'locale: C.UTF-8' > "$root/etc/cloud/cloud.cfg.d/10_locale.cfg"
  : > "$root/etc/machine-id"
  echo localhost > "$root/etc/hostname"
  echo "PARTUUID=$PARTUUID / ext4 rw,discard,errors=remount-ro 0 1" > "$root/etc/fstab"
  echo "PARTUUID=${PARTUUID%-01}-02 /boot/efi vfat umask=0077 0 0" >> "$root/etc/fstab"
  mkdir -p "$root/boot/efi"
  sed -i 's/^#\?PasswordAuthentication.*/PasswordAuthentication no/' "$root/etc/ssh/sshd_config"
  rm -rf "$root"/var/log/*.log "$root"/var/cache/apt/*.bin
}

borrow_resolver
download_packages
return_resolver
index_packages
install_boot_loader
become_cloud_image
use_package_source
