# The requests of kernel.sh where they would reach the machine itself: what can be is noted, the rest is left.
# Sourced by kernel.sh. The lab refuses to boot a guest without namespaces that lacks this file.

set_kernel_host_name() {
  :
}

interface_names() {
  cut -d ' ' -f 1 /dev/lab/interfaces
}

interface_mac() {
  sed -n "s/^$1 //p" /dev/lab/interfaces
}

interface_up() {
  :
}

# Read by the lab, which lets the guest agent tell it.
set_address() {
  grep -qxF "$1 $2" /run/lab-addresses 2> /dev/null || echo "$1 $2" >> /run/lab-addresses
}

# The lab boots a guest anew whose init ends with this.
restart_machine() {
  exit 3
}
