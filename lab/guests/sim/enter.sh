#!/bin/bash
# The hardware of a simulated guest: started in the guest's own namespaces, it boots the disk, prepares the root
# file system and becomes its init. In the environment: ROOT (file system, empty for none), PARTUUID
# (of the disk's root partition), HARDWARE (what the lab tells the guest), AGENT_PORT (1: there is one).
# Standard output is the serial console; one line on file descriptor 3 says that the namespaces exist, one on
# standard input that the network devices do.
set -euo pipefail
. "$(dirname "$0")/boot-loader.sh"

make_devices() {
  local device
  mount -t tmpfs -o mode=0755 tmpfs "$ROOT/dev"
  for device in null zero full random urandom tty; do
    touch "$ROOT/dev/$device"
    mount --bind "/dev/$device" "$ROOT/dev/$device"
  done
  mkdir "$ROOT/dev/pts" "$ROOT/dev/shm" "$ROOT/dev/lab"
  mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$ROOT/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
  ln -s pts/ptmx "$ROOT/dev/ptmx"
  ln -s /proc/self/fd "$ROOT/dev/fd"
  ln -s fd/0 "$ROOT/dev/stdin"
  ln -s fd/1 "$ROOT/dev/stdout"
  ln -s fd/2 "$ROOT/dev/stderr"
  ln -s /proc/1/fd/1 "$ROOT/dev/console"
  [ "$AGENT_PORT" = 0 ] || mkdir "$ROOT/dev/virtio-ports"
  mount --bind "$HARDWARE" "$ROOT/dev/lab"
  mount -o remount,bind,ro "$ROOT/dev/lab"
}

# The kernel is the machine's: a guest may change its own network settings, nothing else.
make_kernel_files() {
  mount -t proc -o nosuid,nodev,noexec proc "$ROOT/proc"
  mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$ROOT/sys"
  mount --bind "$ROOT/proc/sys" "$ROOT/proc/sys"
  mount --bind "$ROOT/proc/sys/net" "$ROOT/proc/sys/net"
  mount -o remount,bind,ro "$ROOT/proc/sys"
  [ ! -e "$ROOT/proc/sysrq-trigger" ] || mount --bind /dev/null "$ROOT/proc/sysrq-trigger"
}

echo ready >&3
exec 3>&-
read -r _
check_boot
mount --bind "$ROOT" "$ROOT"
make_kernel_files
make_devices
mount -t tmpfs -o mode=0755,nosuid,nodev tmpfs "$ROOT/run"
cd "$ROOT"
pivot_root . .
umount -l .
cd /
exec env -i TERM=linux setpriv \
  --bounding-set=-sys_time,-sys_module,-sys_rawio,-sys_boot,-mknod,-syslog,-wake_alarm,-block_suspend \
  /sbin/init < /dev/null
