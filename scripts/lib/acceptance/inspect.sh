# What a clone of a VM template looks like from inside, as root. Sections begin with a line `@NAME`; `@end` says
# that nothing is missing. Before it stand the values of PACKAGES.

section() {
  printf '@%s\n' "$1"
}

look() {
  section cloud-init
  cloud-init status --wait --format json 2> /dev/null || exit_code=$?
  section cloud-init-exit
  echo "${exit_code:-0}"
  section machine-id
  cat /etc/machine-id
  section host-name
  cat /etc/hostname 2> /dev/null || uname -n
  section host-keys
  for key in /etc/ssh/ssh_host_*_key.pub; do
    [ ! -e "$key" ] || cut -d ' ' -f 1,2 "$key"
  done
  section root-bytes
  df -B1 --output=size / | tail -n 1
  section sockets
  cat /proc/net/tcp /proc/net/tcp6 2> /dev/null
  section package-faults
  case $PACKAGES in
    dpkg) dpkg --audit ;;
    pacman) LC_ALL=C pacman -Dk --quiet 2>&1 | grep -v 'No database errors' ;;
  esac
  section packages
  case $PACKAGES in
    dpkg) dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' ;;
    pacman) pacman -Q ;;
  esac
  section first-boot
  cat /run/proxmint-first-boot 2> /dev/null
  section end
}

look < /dev/null
