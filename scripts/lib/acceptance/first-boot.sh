# What the build left on the disk of a VM template, told before cloud-init makes a clone its own. Runs in a clone
# as one of the first things of its first boot. One line per leftover: its kind, a space, the path.

found() {
  kind=$1
  shift
  for path; do
    if [ -e "$path" ] || [ -L "$path" ]; then echo "$kind $path"; fi
  done
}

# found_others KIND FOLDER NAME...: what a folder holds besides what a boot puts there.
found_others() {
  kind=$1 folder=$2
  shift 2
  for path in "$folder"/* "$folder"/.[!.]*; do
    { [ -e "$path" ] || [ -L "$path" ]; } || continue
    mine=
    for name; do
      # shellcheck disable=SC2254 # a pattern on purpose
      case ${path##*/} in $name) mine=yes ;; esac
    done
    [ -n "$mine" ] || echo "$kind $path"
  done
}

# When this boot began, in seconds since 1970: when its first process was started, in hundredths of a second.
boot_time() {
  read -r uptime _ < /proc/uptime
  # shellcheck disable=SC2046 # words on purpose
  set -- $(cat /proc/1/stat)
  shift 21
  echo $(($(date +%s) - ${uptime%.*} + $1 / 100))
}

# found_old KIND PATH...: what this boot may have made too, where it is older than that.
found_old() {
  kind=$1
  shift
  for path; do
    [ -f "$path" ] && [ ! -L "$path" ] || continue
    changed=$(stat -c %Y "$path") made=$(stat -c %W "$path")
    if [ "$changed" -lt "$booted" ] || { [ "$made" -gt 0 ] && [ "$made" -lt "$booted" ]; }; then
      echo "$kind $path"
    fi
  done
}

booted=$(boot_time)

found host-keys /etc/ssh/ssh_host_*

instance=$(readlink /var/lib/cloud/instance)
found_others cloud-init-state /var/lib/cloud/instances "${instance##*/}"
for log in /var/log/cloud-init-output.log /var/log/cloud-init.log; do
  if grep -qs 'Cloud-init .*finished at' "$log"; then echo "cloud-init-logs $log"; fi
done

found_old dbus-machine-id /var/lib/dbus/machine-id
# Not the random seed beside it: systemd saves a new one while the build's machine shuts down.
found_old host-secret /var/lib/systemd/credential.secret
found_old leases /var/lib/dhcp/* /var/lib/dhcpcd/*
if grep -qs '^nameserver' /etc/resolv.conf; then found_old name-servers /etc/resolv.conf; fi

found package-lists /var/lib/apt/lists/*Packages* /var/lib/pacman/sync/*
found_old package-keys /etc/pacman.d/gnupg/pubring.gpg
found package-cache /var/cache/apt/archives/*.deb /var/cache/pacman/pkg/*.pkg.tar*
found_others temporary-files /var/tmp 'systemd-private-*' cloud-init
found_others journal /var/log/journal "$(cat /etc/machine-id)"
found history /root/.*_history /home/*/.*_history

if [ -n "$BUILD_USER" ]; then
  if grep -q "^$BUILD_USER:" /etc/passwd; then echo "build-user $BUILD_USER"; fi
  found build-home "/home/$BUILD_USER"
fi
found build-sudo /etc/sudoers.d/90-cloud-init-users
for keys in /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys /etc/ssh/authorized_keys.d/*; do
  if [ -s "$keys" ]; then echo "authorized-keys $keys"; fi
done
sed -n 's/^\([^:]*\):\$.*/password \1/p' /etc/shadow
