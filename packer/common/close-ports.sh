#!/bin/sh
# Nothing but SSH is to listen in a new VM. systemd-resolved also answers to its whole network, by LLMNR and mDNS.
# Runs as root.
set -eu

mkdir -p /etc/systemd/resolved.conf.d
cat > /etc/systemd/resolved.conf.d/proxmint.conf <<'END'
[Resolve]
LLMNR=no
MulticastDNS=no
END
