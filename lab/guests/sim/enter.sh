#!/bin/bash
# The hardware of a simulated guest. It starts in the guest's own namespaces, boots the disk, prepares the root file
# system and becomes its init. Environment: ROOT (path of the root file system, empty for none), PARTUUID (id of the
# disk's root partition), HARDWARE (folder with the lab's files for the guest), AGENT_PORT (1: there is one).
# Standard output is the serial console. The script writes a line to file descriptor 3 when the namespaces exist, and
# reads a line from standard input when the network devices exist.
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

# The guest shares the machine's kernel, so it may change only its own network settings.
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
