# Runs last inside the confinement, as the text of bash -c, with PROGRAM COMMAND NAMES [AT FOLDER]...
# It makes the paths of the node that lead to its storages, and the node's own commands, which ask the lab by PROGRAM.
program=$1 command=$2 names=$3
shift 3
{
  while [ $# -gt 0 ]; do
    [ -e "$1" ] || [ -L "$1" ] || { mkdir -p "${1%/*}" && ln -s "$2" "$1"; }
    shift 2
  done
  mkdir -p /run/pve
  for name in $names; do
    printf '%s' "$program" >"/run/pve/$name"
    chmod 755 "/run/pve/$name"
  done
} 2>/dev/null
PATH=/run/pve:$PATH exec /bin/bash -c "$command"
