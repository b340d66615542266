# What cloud-init runs in a guest to mount data disks, on loop devices whose serial numbers a folder in the place of /sys/block
# tells. Nothing outside of a mount namespace is changed.

bats_require_minimum_version 1.5.0
load project

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  [ "$(id -u)" = 0 ] || skip "only root may mount"
  unshare -m true 2> /dev/null || skip "no mount namespace may be made here"
  mkdir -p block mnt
  : > fstab
  truncate -s 64M disk
  device=$(losetup -f --show disk 2> /dev/null) || skip "no loop device is free here"
  with_serial "$device" data
  cp "$repository/scripts/lib/cloud-init/mount-disks.sh" .
}

teardown() {
  [ -z "${device:-}" ] || losetup -d "$device"
}

# with_serial DEVICE SERIAL: as the kernel tells it of a SCSI disk, behind four bytes.
with_serial() {
  mkdir -p "block/${1##*/}/device" "block/${1##*/}/holders"
  printf '\0\200\0\004%s' "$2" > "block/${1##*/}/device/vpd_pg80"
}

# boot [WORD]...: runs the script as a boot does, then COMMAND in the same place, while the disks are mounted.
boot() {
  COMMAND=${COMMAND:-true} unshare -m bash -c '
    mount --make-rprivate /
    mount --bind block /sys/block && mount --bind fstab /etc/fstab || exit 99
    sh mount-disks.sh "$@"; code=$?
    eval "$COMMAND" || code=98
    exit $code
  ' boot "$@"
}

type_of() {
  blkid -p -o value -s TYPE "$1"
}

@test "an empty disk gets a file system, is mounted, and stands in fstab by its UUID" {
  COMMAND='findmnt -no FSTYPE mnt; echo kept > mnt/file' run -0 boot data "$PWD/mnt" ext4
  [ "$output" = ext4 ]
  [ "$(type_of "$device")" = ext4 ]
  [ "$(cat fstab)" = "UUID=$(blkid -p -o value -s UUID "$device") $PWD/mnt ext4 defaults,nofail 0 2" ]
}

@test "a new system mounts the disk of the old one, and its files are there" {
  COMMAND='echo kept > mnt/file' run -0 boot data "$PWD/mnt" ext4
  uuid=$(blkid -p -o value -s UUID "$device")
  : > fstab
  COMMAND='cat mnt/file' run -0 boot data "$PWD/mnt" xfs
  [ "$output" = kept ]
  [ "$(blkid -p -o value -s UUID "$device")" = "$uuid" ]
  [ "$(wc -l < fstab)" = 1 ]
}

@test "a second boot changes nothing" {
  run -0 boot data "$PWD/mnt" ext4
  before=$(cat fstab)
  run -0 boot data "$PWD/mnt" ext4
  [ "$(cat fstab)" = "$before" ]
}

@test "a file system uses the room of a disk that has grown" {
  run -0 boot data "$PWD/mnt" ext4
  truncate -s 128M disk
  losetup -c "$device"
  COMMAND='df --output=size -BM mnt | tail -1' run -0 boot data "$PWD/mnt" ext4
  [ "$(tr -dc '0-9' <<< "$output")" -gt 90 ]
}

@test "another file system is mounted as it is, and never made anew" {
  mkfs.ext4 -q -L theirs "$device"
  COMMAND='findmnt -no FSTYPE mnt' run -0 boot data "$PWD/mnt" xfs
  [ "$output" = ext4 ]
  [ "$(blkid -p -o value -s LABEL "$device")" = theirs ]
}

@test "a disk with a partition table is left as it is, and the boot says so" {
  # One Linux partition of 8 MiB.
  printf '\0\0\0\0\203\0\0\0\0\010\0\0\0\100\0\0' | dd of=disk bs=1 seek=446 conv=notrunc status=none
  printf '\125\252' | dd of=disk bs=1 seek=510 conv=notrunc status=none
  [ "$(blkid -p -o value -s PTTYPE "$device")" = dos ]
  before=$(sha256sum < disk)
  run -1 boot data "$PWD/mnt" ext4
  [[ $output == *"disk data, $device, is left as it is"* ]]
  [ "$(sha256sum < disk)" = "$before" ]
  [ ! -s fstab ]
}

@test "a disk with what no kernel mounts is left as it is" {
  mkswap -q "$device"
  before=$(sha256sum < disk)
  run -1 boot data "$PWD/mnt" ext4
  [ "$(sha256sum < disk)" = "$before" ]
  [ ! -s fstab ]
}

@test "a disk that something holds gets no file system" {
  touch "block/${device##*/}/holders/dm-0"
  run -1 boot data "$PWD/mnt" ext4
  run -2 blkid -p "$device"
}

@test "a disk that is not there: the first boot fails, a later one goes on" {
  run -0 boot data "$PWD/mnt" ext4
  with_serial "$device" other
  run -0 boot data "$PWD/mnt" ext4
  [[ $output == *"there is no disk data for $PWD/mnt"* ]]
  : > fstab
  run -1 boot data "$PWD/mnt" ext4
}

@test "one disk that cannot be mounted does not keep the next from it" {
  with_serial "$device" second
  run -1 boot first "$PWD/none" ext4 second "$PWD/mnt" ext4
  grep -q "$PWD/mnt" fstab
}
