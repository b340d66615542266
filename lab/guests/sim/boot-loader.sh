# Firmware, boot loader and initramfs of a simulated guest. Other scripts source it and set ROOT (path of the root file
# system, empty for none) and PARTUUID (id of the disk's root partition).

# The guest stays on until somebody pulls the plug, because nothing reacts to the power button.
hang() {
  trap '' PWR
  exec sleep infinity
}

# Linux prints this if no disk has the root partition of the kernel command line.
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
