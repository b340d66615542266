# What one key of a cloud-config does inside the guest. Sourced; one function per effect.
# A failure of a module is an error of the boot (`cloud-init status` then says so), never the end of it.
network_script=/etc/netplan/50-cloud-init.lab
users_failed=
. /usr/lib/lab/kernel.sh

log() {
  echo "$(date '+%F %T') - $*" >> /var/log/cloud-init.log
}

# recoverable LEVEL MESSAGE: makes the boot `degraded done`.
recoverable() {
  printf '%s\t%s\n' "$1" "$2" >> /run/cloud-init/lab-recoverable
  log "[$1]: $2"
}

# Standard input as one line, each of its line breaks as \n: so cloud-init shows a message inside of another one.
one_line() {
  awk '{ printf "%s%s", separator, $0; separator = "\\n" }'
}

module_failed() {
  echo "$1" >> /run/cloud-init/lab-errors
  log "[ERROR]: $1"
}

# failed_to_run MODULE CODE OUTPUT COMMAND...: the error of a module whose command failed.
failed_to_run() {
  local module=$1 code=$2 output=$3 words
  shift 3
  words=$(printf "'%s', " "$@")
  recoverable WARNING "Running module $module (<module 'cloudinit.config.cc_$module'>) failed"
  module_failed "('$module', ProcessExecutionError(\"$(
    printf 'Unexpected error while running command.\nCommand: [%s]\nExit code: %s\nReason: -\nStdout: \nStderr: %s' \
      "${words%, }" "$code" "$output" | one_line
  )\"))"
}

# --- network ---

network_fallback() {
  local interface
  for interface in $(interface_names); do
    interface_dhcp "$interface"
  done
}

# The lab's DHCP: one lease per MAC, decided by the lab when the guest was started.
interface_dhcp() {
  local mac address gateway
  mac=$(interface_mac "$1")
  interface_up "$1"
  while read -r lease_mac address gateway; do
    [ "$lease_mac" = "$mac" ] || continue
    set_address "$1" "$address" "$gateway"
  done < /dev/lab/leases
}

# interface_static NAME ADDRESS/PREFIX [GATEWAY [onlink]]
interface_static() {
  interface_up "$1"
  set_address "$@"
}

name_servers() {
  local server
  rm -f /etc/resolv.conf
  [ -z "$1" ] || echo "search $1" > /etc/resolv.conf
  shift
  for server; do
    echo "nameserver $server" >> /etc/resolv.conf
  done
}

# Kept on the disk as netplan's file is: it configures the network when no drive is attached any more.
save_network() {
  mkdir -p "$(dirname "$network_script")"
  cat > "$network_script"
  . "$network_script"
}

# --- disk ---

grow_root() {
  local size before
  size=$(cat /dev/lab/root-size 2> /dev/null || echo 0)
  before=$(cat /var/lib/cloud/data/root-size 2> /dev/null || echo 0)
  [ "$size" -gt "$before" ] || return 0
  log "growpart: CHANGED: partition=1 old: size=$before new: size=$size"
  echo "$size" > /var/lib/cloud/data/root-size
}

# --- identity ---

set_host_name() {
  echo "$1" > /etc/hostname
  set_kernel_host_name "$1"
}

manage_hosts_file() {
  printf '127.0.1.1 %s %s\n127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' "$2" "$1" > /etc/hosts
}

set_time_zone() {
  [ -e "/usr/share/zoneinfo/$1" ] || { module_failed "('timezone', OSError('Invalid timezone $1, no file found'))"; return; }
  echo "$1" > /etc/timezone
  ln -sf "/usr/share/zoneinfo/$1" /etc/localtime
}

# --- users ---

# create_user NAME GECOS SHELL SYSTEM(0|1) NO_CREATE_HOME(0|1) HOME UID PRIMARY_GROUP
create_user() {
  local options=()
  ! id "$1" > /dev/null 2>&1 || { log "User $1 already exists, skipping."; return; }
  [ -z "$2" ] || options+=(--comment "$2")
  [ -z "$3" ] || options+=(--shell "$3")
  [ "$4" = 0 ] || options+=(--system)
  [ -z "$6" ] || options+=(--home-dir "$6")
  [ -z "$7" ] || options+=(--uid "$7")
  if [ -n "$8" ]; then
    ensure_group "$8"
    options+=(--gid "$8" --no-user-group)
  fi
  if [ "$5" = 1 ]; then options+=(--no-create-home); else options+=(--create-home); fi
  add_user "$1" "${options[@]}" && passwd --quiet --lock "$1"
}

# The module ends with the first account that cannot be made.
add_user() {
  local name=$1 output code
  shift
  [ -z "$users_failed" ] || return 1
  output=$(useradd "$@" "$name" 2>&1) && return 0
  code=$?
  users_failed=yes
  recoverable WARNING "Failed to create user $name"
  failed_to_run users_groups "$code" "$output" useradd "$name" "$@"
  return 1
}

ensure_group() {
  getent group "$1" > /dev/null || groupadd "$1"
}

add_to_group() {
  [ -z "$users_failed" ] || return 0
  ensure_group "$2"
  usermod --append --groups "$2" "$1"
}

allow_sudo() {
  [ -z "$users_failed" ] || return 0
  local file=/etc/sudoers.d/90-cloud-init-users
  [ -e "$file" ] || echo '# Created by cloud-init' > "$file"
  chmod 0440 "$file"
  echo "$1 $2" >> "$file"
}

# authorize_key USER KEY [OPTIONS]
authorize_key() {
  local home line
  home=$(getent passwd "$1" | cut -d: -f6)
  [ -n "$home" ] || return 0
  line="${3:+$3 }$2"
  install -d -m 0700 -o "$1" -g "$(id -g "$1")" "$home/.ssh"
  touch "$home/.ssh/authorized_keys"
  grep -qxF -- "$line" "$home/.ssh/authorized_keys" || echo "$line" >> "$home/.ssh/authorized_keys"
  chown "$1:$(id -g "$1")" "$home/.ssh/authorized_keys"
  chmod 0600 "$home/.ssh/authorized_keys"
}

# Password on standard input, so that it is in no process list.
set_password() {
  local password
  IFS= read -r password
  case "$password" in
    \$[0-9a-z]*\$*) printf '%s:%s\n' "$1" "$password" | chpasswd --encrypted ;;
    *) printf '%s:%s\n' "$1" "$password" | chpasswd ;;
  esac || module_failed "('set_passwords', RuntimeError('Failed to set the password of $1'))"
}

lock_password() {
  passwd --quiet --lock "$1"
}

expire_password() {
  chage --lastday 0 "$1"
}

password_login() {
  echo "PasswordAuthentication $1" > /etc/ssh/sshd_config.d/50-cloud-init.conf
}

new_host_keys() {
  rm -f /etc/ssh/ssh_host_*
  missing_host_keys
}

missing_host_keys() {
  ssh-keygen -q -A > /dev/null
}

# --- files, packages, commands ---

# write_file PATH OWNER MODE APPEND(0|1), content on standard input
write_file() {
  mkdir -p "$(dirname "$1")"
  if [ "$4" = 1 ]; then cat >> "$1"; else cat > "$1"; fi
  chown "$2" "$1" && chmod "$3" "$1" || module_failed "('write_files', OSError('$1'))"
}

package_index() {
  apt-get -q update || module_failed "('package_update_upgrade_install', RuntimeError('apt-get update failed'))"
}

package_upgrade() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold dist-upgrade \
    || module_failed "('package_update_upgrade_install', RuntimeError('apt-get upgrade failed'))"
}

# Packages that apt does not know are left out and are the error; the others are installed.
package_install() {
  local name output code= known=() unknown=
  apt-cache pkgnames | sort > /run/cloud-init/lab-packages
  for name; do
    if grep -qxF "${name%%=*}" /run/cloud-init/lab-packages; then known+=("$name"); else unknown+="'$name', "; fi
  done
  if [ ${#known[@]} -gt 0 ]; then
    output=$(DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Options::=--force-confold install "${known[@]}" 2>&1) || code=$?
    echo "$output"
    [ -z "$code" ] || { failed_to_run package_update_upgrade_install "$code" "$output" apt-get install "${known[@]}"; return; }
  fi
  [ -n "$unknown" ] || return 0
  recoverable WARNING "Failure when attempting to install packages: [$(printf "'%s', " "$@" | sed 's/, $//')]"
  recoverable WARNING '1 failed with exceptions, re-raising the last one'
  recoverable WARNING "Running module package_update_upgrade_install (<module 'cloudinit.config.cc_package_update_upgrade_install'>) failed"
  module_failed "('package_update_upgrade_install', PackageInstallerError(\"Failed to install the following packages: {${unknown%, }}. See associated package manager logs for more details.\"))"
}

# run_script NAME, text on standard input
run_script() {
  local file=/var/lib/cloud/instance/scripts/$1
  cat > "$file"
  chmod 0700 "$file"
  "$file" || module_failed "('scripts_user', RuntimeError('Runparts: 1 failures ($1) in 1 attempted commands'))"
}

run_boot_commands() {
  local file=/run/cloud-init/bootcmd.sh
  cat > "$file"
  sh "$file" || module_failed "('bootcmd', ProcessExecutionError('bootcmd failed'))"
}

# power_state MODE DELAY, with the condition as a script on standard input
power_state() {
  sh || { log "power_state: condition was false, not performing state change"; return 0; }
  case "$1" in
    reboot) shutdown -r "$2" ;;
    *) shutdown -P "$2" ;;
  esac
}
