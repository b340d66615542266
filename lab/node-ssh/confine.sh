#!/bin/bash
# confine.sh ROOT STORAGES COMMAND...: runs a command on the node. The command sees only the storages and, read-only, the
# machine's programs. The script starts in mount, process and network namespaces of its own. ROOT is an empty folder
# for the node's root file system.
set -euo pipefail
root=$1 storages=$2
shift 2

mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$root"
mkdir "$root/usr" "$root/dev" "$root/tmp" "$root/proc" "$root/run"
for name in bin sbin lib lib32 lib64; do
  if [ -L "/$name" ]; then
    cp -P "/$name" "$root/$name"
  elif [ -d "/$name" ]; then
    mkdir "$root/$name"
    mount --bind "/$name" "$root/$name"
    mount -o remount,bind,ro,nosuid,nodev "$root/$name"
  fi
done
mkdir "$root/run/usr"
for place in usr run/usr; do
  mount --bind /usr "$root/$place"
  mount -o remount,bind,ro,nosuid,nodev "$root/$place"
done
# The node's own commands are in /usr/sbin. So this folder is a new one, and has the machine's programs by links.
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$root/usr/sbin"
programs=(/usr/sbin/*)
ln -s -t "$root/usr/sbin" "${programs[@]/#/\/run}"
for device in null zero full random urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -p "$root$storages"
mount --bind "$storages" "$root$storages"
mount -o remount,bind,nosuid,nodev "$root$storages"

# Only umount needs /proc. It is gone afterwards, because root could change settings of the kernel there.
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
cd "$root"
pivot_root . .
umount --lazy .
umount --lazy /proc
cd "$storages"
# Capabilities for work on files of any owner. With these alone, root cannot mount, make devices or leave the root.
exec env -i HOME="$storages" PATH=/usr/sbin:/usr/bin:/sbin:/bin USER=root LOGNAME=root SHELL=/bin/bash \
  setpriv --inh-caps=-all --bounding-set=-all,+chown,+dac_override,+fowner,+fsetid --no-new-privs \
  "$@"
