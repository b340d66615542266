#!/bin/bash
# The hardware of a simulated guest without namespaces: boots its disk in a plain chroot, and again when it reboots.
# Environment: ROOT, PARTUUID, HARDWARE and AGENT_PORT as for enter.sh, and SSH_PORT. Standard output is the serial
# console. SIGPWR is the power button, SIGTERM pulls the plug. The end of standard input means that the lab is gone,
# and also pulls the plug. The exit code is 0 if the guest powered itself off.
#
# The script runs as a subreaper: each orphan in the guest becomes its child. So its descendants are exactly the guest's
# processes. Their roots (/proc/*/root) are no help, because without CAP_SYS_PTRACE even root may not read those of
# other users' processes.
set -uo pipefail
. "$(dirname "$0")/boot-loader.sh"

# The capabilities that Docker gives to a container, except those for devices and raw packets. With more of them a guest
# could rename the machine, reboot it or set its clock.
KEPT=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap,+setfcap
KEPT+=,+net_bind_service,+sys_chroot,+audit_write

# Folders that are in memory on a real machine. The paths are the guest's own, so its links cannot lead outside.
clear_volatile() {
  [ -z "$ROOT" ] || chroot "$ROOT" /usr/bin/find /dev /run -mindepth 1 -xdev -delete
}

# umask sets the modes, because `mknod -m` needs /proc.
make_devices() {
  chroot "$ROOT" /bin/bash -es << 'END'
umask 0
mknod /dev/null c 1 3
mknod /dev/zero c 1 5
mknod /dev/full c 1 7
mknod /dev/random c 1 8
mknod /dev/urandom c 1 9
mknod /dev/tty c 5 0
mkdir /dev/shm
chmod 1777 /dev/shm
: > /dev/null
END
}

connect_hardware() {
  local unit="$ROOT/run/systemd/system/ssh.service.d"
  [ "$AGENT_PORT" = 0 ] || mkdir "$ROOT/dev/virtio-ports"
  cp -a "$HARDWARE" "$ROOT/dev/lab"
  touch "$ROOT/dev/lab/loopback"
  mkdir -p "$unit"
  # shellcheck disable=SC2016 # the unit's own variable
  printf '[Service]\nExecStart=\nExecStart=/usr/sbin/sshd -D $SSHD_OPTS -p %s -o ListenAddress=127.0.0.1\n' \
    "$SSH_PORT" > "$unit/lab.conf"
}

boot() {
  check_boot
  clear_volatile && make_devices && connect_hardware || exit 1
  exec chroot "$ROOT" /usr/bin/env -i TERM=linux /usr/bin/setpriv --inh-caps=-all --bounding-set="$KEPT" /sbin/init < /dev/null
}

# Lists all descendants in `descendants`. It starts no process, because that would be one of them.
find_descendants() {
  local task child children
  for task in /proc/"$1"/task/*; do
    children=()
    { read -r -a children < "$task/children"; } 2> /dev/null
    for child in "${children[@]}"; do
      [ "$child" != "$watcher" ] || continue
      descendants+=("$child")
      find_descendants "$child"
    done
  done
}

# end_processes GRACE: sends SIGTERM, then kills what is left after GRACE twentieths of a second.
end_processes() {
  local round signal=TERM
  for round in {1..400}; do
    descendants=()
    find_descendants $$
    [ ${#descendants[@]} -gt 0 ] || return 0
    [ "$round" -le "$1" ] || signal=KILL
    kill "-$signal" "${descendants[@]}" 2> /dev/null
    sleep 0.05
  done
}

# Sets `code` to init's exit code. A trap can end a wait early.
await_init() {
  interrupted=yes
  while [ -n "$interrupted" ] && [ -z "$pulled" ]; do
    interrupted=
    wait "$init"
    code=$?
  done
}

pulled=
trap 'interrupted=yes; kill -PWR "$init"' PWR
trap 'interrupted=yes; pulled=yes' TERM

exec 3<&0 < /dev/null
{
  read -r _ <&3
  kill -TERM $$
} &
watcher=$!
exec 3<&-

code=3
while [ "$code" = 3 ] && [ -z "$pulled" ]; do
  # Job control gives the guest a process group of its own, and lets it receive SIGINT.
  set -m
  boot &
  init=$!
  set +m
  await_init
  if [ -n "$pulled" ]; then end_processes 0; else end_processes 20; fi
  clear_volatile
done
kill "$watcher"
exit "$code"
