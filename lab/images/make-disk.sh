#!/bin/bash
# Makes a disk that boots by BIOS and by UEFI of a root file system, without loop devices or mounts:
#   make-disk.sh WORK SIGNATURE MEBIBYTES
# reads WORK/root.tar (made by prepare-machine.sh) and writes WORK/disk.raw. Needs to be (mapped) root, for the
# owners of files. SIGNATURE: the disk's, 8 hex digits; the root partition's PARTUUID is SIGNATURE-01, that of the EFI
# system partition SIGNATURE-02.
set -euo pipefail
work=$1 signature=$2 mebibytes=$3
disk=$work/disk.raw
root=$work/root
file_system=$(cat /proc/sys/kernel/random/uuid)
# The first mebibyte is the BIOS boot loader's, as every partitioning program leaves it. The EFI system partition comes
# next, and the root partition last, where it can grow.
efi_mebibytes=32
efi_first_sector=2048
first_sector=$((efi_first_sector + efi_mebibytes * 2048))

unpack_root() {
  mkdir "$root"
  tar -C "$root" --numeric-owner --xattrs --xattrs-include='*' -xpf "$work/root.tar"
}

# Features that the boot loader and every supported kernel know, whatever this machine's defaults are.
make_file_system() {
  local features=none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super
  features+=,large_file,huge_file,dir_nlink,extra_isize,metadata_csum
  truncate -s "${mebibytes}M" "$disk"
  mke2fs -q -F -t ext4 -U "$file_system" -O "$features" -m 1 -d "$root" -E "offset=$((first_sector * 512))" "$disk" \
    "$((mebibytes * 1024 - first_sector / 2))k"
}

# The firmware starts shim, which is signed by Microsoft, from the path of removable media; shim starts GRUB and GRUB
# the kernel, both signed by Debian. Debian's GRUB reads its configuration from /EFI/debian, whatever started it.
make_efi_partition() {
  local partition=$disk@@$((efi_first_sector * 512))
  local shim=$root/usr/lib/shim/shimx64.efi.signed grub=$root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed
  mformat -i "$partition" -T "$((efi_mebibytes * 2048))" -h 64 -s 32 -H "$efi_first_sector" -v EFI ::
  mmd -i "$partition" ::/EFI ::/EFI/BOOT ::/EFI/debian
  mcopy -i "$partition" "$shim" ::/EFI/BOOT/BOOTX64.EFI
  mcopy -i "$partition" "$grub" ::/EFI/BOOT/grubx64.efi
  mcopy -i "$partition" - ::/EFI/debian/grub.cfg << END
search.fs_uuid $file_system root
set prefix=(\$root)/boot/grub
configfile \$prefix/grub.cfg
END
}

# Bytes of a number, lowest first: little_endian HEX_DIGITS (an even number of them).
little_endian() {
  local hex=$1
  while [ -n "$hex" ]; do
    printf '%b' "\x${hex: -2}"
    hex=${hex%??}
  done
}

# An entry of the partition table: partition_entry ACTIVE TYPE FIRST_SECTOR SECTORS, the first two as two hex digits. It
# starts and ends where only sector numbers reach.
partition_entry() {
  local active=$1 type=$2 first=$3 sectors=$4
  printf '%b' "\x$active\xfe\xff\xff\x$type\xfe\xff\xff"
  little_endian "$(printf %08x "$first")"
  little_endian "$(printf %08x "$sectors")"
}

# Sector 0: GRUB's first stage, the signature and the partitions. The rest of GRUB starts at sector 1, where the first
# stage looks for it unless it is told otherwise.
write_boot_sectors() {
  {
    head -c 440 "$root/boot/grub/boot.img"
    little_endian "$signature"
    printf '\0\0'
    partition_entry 80 83 "$first_sector" "$((mebibytes * 2048 - first_sector))"
    partition_entry 00 ef "$efi_first_sector" "$((efi_mebibytes * 2048))"
    head -c 32 /dev/zero
    printf '\x55\xaa'
    cat "$root/boot/grub/core.img"
  } | dd of="$disk" conv=notrunc status=none
}

unpack_root
make_file_system
make_efi_partition
write_boot_sectors
rm -r "$root"
