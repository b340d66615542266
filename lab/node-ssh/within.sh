# Runs last inside the confinement, as the text of bash -c, with PROGRAM COMMAND NAMES [AT FOLDER]...
# It makes the paths of the node that lead to its storages, and the node's own commands, which ask the lab by PROGRAM.
program=$1 command=$2 names=$3
shift 3
{
  while [ $# -gt 0 ]; do
    [ -e "$1" ] || [ -L "$1" ] || { mkdir -p "${1%/*}" && ln -s "$2" "$1"; }
    shift 2
  done
  for name in $names; do
    # Another command may run the same script just now: it is replaced, not written to.
    printf '%s' "$program" >"/usr/sbin/.$name.$$"
    chmod 755 "/usr/sbin/.$name.$$"
    mv -f "/usr/sbin/.$name.$$" "/usr/sbin/$name"
  done
} 2>/dev/null
exec /bin/bash -c "$command"
