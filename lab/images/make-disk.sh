#!/bin/bash
# Makes a disk that boots by itself of a root file system, without loop devices or mounts:
#   make-disk.sh WORK SIGNATURE MEBIBYTES
# reads WORK/root.tar (made by prepare-machine.sh) and writes WORK/disk.raw. Needs to be (mapped) root, for the
# owners of files. SIGNATURE: the disk's, 8 hex digits; the root partition's PARTUUID is SIGNATURE-01.
set -euo pipefail
work=$1 signature=$2 mebibytes=$3
disk=$work/disk.raw
root=$work/root
# The first mebibyte is the boot loader's, as every partitioning program leaves it.
offset_kib=1024
first_sector=2048

unpack_root() {
  mkdir "$root"
  tar -C "$root" --numeric-owner --xattrs --xattrs-include='*' -xpf "$work/root.tar"
}

# Features that the boot loader and every supported kernel know, whatever this machine's defaults are.
make_file_system() {
  local features=none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super
  features+=,large_file,huge_file,dir_nlink,extra_isize,metadata_csum
  truncate -s "${mebibytes}M" "$disk"
  mke2fs -q -F -t ext4 -O "$features" -m 1 -d "$root" -E "offset=$((offset_kib * 1024))" "$disk" \
    "$((mebibytes * 1024 - offset_kib))k"
}

# Bytes of a number, lowest first: little_endian HEX_DIGITS (an even number of them).
little_endian() {
  local hex=$1
  while [ -n "$hex" ]; do
    printf '%b' "\x${hex: -2}"
    hex=${hex%??}
  done
}

# Sector 0: GRUB's first stage, the signature and the one partition. The rest of GRUB starts at sector 1, where
# the first stage looks for it unless it is told otherwise.
write_boot_sectors() {
  local sectors=$((mebibytes * 2048 - first_sector))
  {
    head -c 440 "$root/boot/grub/boot.img"
    little_endian "$signature"
    printf '\0\0'
    # Active, starts and ends where only sector numbers reach, Linux.
    printf '\x80\xfe\xff\xff\x83\xfe\xff\xff'
    little_endian "$(printf %08x "$first_sector")"
    little_endian "$(printf %08x "$sectors")"
    head -c 48 /dev/zero
    printf '\x55\xaa'
    cat "$root/boot/grub/core.img"
  } | dd of="$disk" conv=notrunc status=none
}

unpack_root
make_file_system
write_boot_sectors
rm -r "$root"
