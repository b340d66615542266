# What a guest asks of its kernel. Sourced; one function per request.

set_kernel_host_name() {
  hostname "$1"
}

interface_names() {
  local interface
  for interface in /sys/class/net/eth*; do
    [ ! -e "$interface" ] || basename "$interface"
  done
}

interface_mac() {
  cat "/sys/class/net/$1/address"
}

interface_up() {
  ip link set "$1" up
  # Duplicate address detection would delay the agent's first answer by seconds.
  echo 0 > "/proc/sys/net/ipv6/conf/$1/accept_dad" 2> /dev/null
  return 0
}

# set_address NAME ADDRESS/PREFIX [GATEWAY [onlink]]
set_address() {
  ip addr replace "$2" dev "$1"
  [ -z "${3:-}" ] || ip route replace default via "$3" dev "$1" ${4:+"$4"}
}

# `kill -1` reaches every process there is: only the first process of a namespace may say it. Elsewhere the lab
# ends the guest's processes when init is gone.
kill_everything() {
  [ $$ = 1 ] || return 0
  kill -TERM -1 2> /dev/null
  local waited
  for waited in {1..20}; do
    [ "$(ps -e -o pid= -o comm= | grep -c -v -E '^ *1 |ps$|grep$|init$')" = 0 ] && break
    sleep 0.05
  done
  kill -KILL -1 2> /dev/null
}

restart_machine() {
  find /run -mindepth 1 -delete 2> /dev/null
  exec /sbin/init
}

# A guest without namespaces shares the kernel's names, network and processes with the machine it runs on.
[ ! -e /dev/lab/loopback ] || . /usr/lib/lab/loopback.sh
