# Firmware, boot loader and initramfs of a simulated guest. Sourced, with ROOT (file system, empty for none) and
# PARTUUID (of the disk's root partition) set.

# On until the plug is pulled: nothing hears the power button.
hang() {
  trap '' PWR
  exec sleep infinity
}

# Linux says this when the root partition of the kernel command line is on none of the disks.
wait_in_initramfs() {
  echo "ALERT!  PARTUUID=$1 does not exist.  Dropping to a shell!"
  echo '(initramfs) '
  hang
}

check_boot() {
  local wanted
  if [ ! -e "$ROOT/boot/cmdline" ]; then
    echo 'No bootable device.'
    hang
  fi
  wanted=$(sed -n 's/.*root=PARTUUID=\([^ ]*\).*/\1/p' "$ROOT/boot/cmdline")
  [ "$wanted" = "$PARTUUID" ] || wait_in_initramfs "$wanted"
}
