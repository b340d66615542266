# Mounts data disks: SERIAL FOLDER FILE_SYSTEM, three words for each. cloud-init runs it at every boot, before it makes accounts.
# A disk is known by its serial number: /dev/sdb may be another disk at the next boot, and names of udev depend on the machine
# type. Only a disk with nothing on it gets a file system.

# Prints the serial number of a block device: /sys/block/sdb.
serial_of() {
  if [ -r "$1/serial" ]; then # virtio
    tr -d ' \n\000' < "$1/serial"
  elif [ -r "$1/device/vpd_pg80" ]; then # SCSI: four bytes before it
    tail -c +5 "$1/device/vpd_pg80" | tr -d ' \n\000'
  fi
}

# Prints the device with a serial number: /dev/sdb. The kernel may need some seconds to find it.
device_of() {
  for second in 1 2 3 4 5 6 7 8 9 10; do
    for block in /sys/block/*; do
      if [ "$(serial_of "$block")" = "$1" ]; then
        echo "/dev/${block##*/}"
        return 0
      fi
    done
    [ "$second" = 10 ] || sleep 1
  done
  return 1
}

# Prints what blkid reads on a disk itself, not in its cache: TYPE of a file system, PTTYPE of a partition table, UUID.
on_disk() {
  blkid -p -o value -s "$2" "$1" || true
}

in_fstab() {
  awk -v folder="$1" '$1 !~ /^#/ && $2 == folder { found = 1 } END { exit !found }' /etc/fstab
}

# Formats a disk on which blkid finds nothing, and which nothing uses.
format() {
  device=$1 file_system=$2
  nothing=0
  blkid -p "$device" > /dev/null 2>&1 || nothing=$?
  # 2: nothing was found. 8: it could be several things.
  if [ "$nothing" != 2 ] || [ -n "$(ls "/sys/block/${device##*/}/holders" 2> /dev/null)" ]; then
    return 1
  fi
  "mkfs.$file_system" -q "$device"
}

# Lets a file system use all of a disk that has grown.
grow() {
  case "$(on_disk "$1" TYPE)" in
    ext4) resize2fs "$1" > /dev/null 2>&1 ;;
    xfs) xfs_growfs "$2" > /dev/null 2>&1 ;;
  esac || say "the file system on $2 did not grow"
}

say() {
  echo "proxmint: $*" >&2
}

mount_disk() {
  serial=$1 folder=$2 file_system=$3
  device=$(device_of "$serial") || {
    say "there is no disk $serial for $folder"
    # Somebody took away a disk that was there: the machine boots all the same.
    in_fstab "$folder"
    return
  }
  if [ -z "$(on_disk "$device" TYPE)" ]; then
    format "$device" "$file_system" || {
      say "disk $serial, $device, is left as it is: it has a partition table or something else on it, or mkfs.$file_system failed"
      return 1
    }
  fi
  mkdir -p "$folder"
  if ! mountpoint -q "$folder"; then
    mount "$device" "$folder" || return 1
  fi
  if ! in_fstab "$folder"; then
    echo "UUID=$(on_disk "$device" UUID) $folder $(on_disk "$device" TYPE) defaults,nofail 0 2" >> /etc/fstab
  fi
  grow "$device" "$folder"
}

failed=0
while [ $# -ge 3 ]; do
  mount_disk "$1" "$2" "$3" || failed=1
  shift 3
done
exit $failed
