#!/bin/bash
# programs.sh STORAGES PROGRAM...: copies programs to STORAGES. Without namespaces that folder is the whole file system
# of a command on the node, and nothing can be mounted in it. A link makes the folder's own path lead back to it. It prints
# the path of each copy. A storage may have the name of a folder of programs, such as usr: its folder is used then.
set -euo pipefail
storages=$1
shift
made=()

copy() {
  mkdir -p "$storages${1%/*}"
  [ -e "$storages$1" ] || { cp -L --reflink=auto "$1" "$storages$1" && made+=("$storages$1"); }
}

mkdir -p "$storages/usr/bin" "$storages/usr/sbin" "$storages/usr/lib" "$storages/dev" "$storages${storages%/*}"
for name in bin lib lib64; do
  [ ! -L "/$name" ] || [ -d "$storages/$name" ] ||
    { mkdir -p "$storages/usr/$name" && ln -sfn "usr/$name" "$storages/$name"; }
done
for program; do
  file=$(command -v "$program")
  copy "$file"
  # Clients name the shell by this path.
  [ ! -e "/bin/$program" ] || copy "/bin/$program"
  for library in $(ldd "$file" | grep -o '/[^ ]*'); do copy "$library"; done
done
[ -e "$storages/dev/null" ] || { mknod -m 666 "$storages/dev/null" c 1 3 && made+=("$storages/dev/null"); }
ln -sfn / "$storages$storages"
[ ${#made[@]} -eq 0 ] || realpath "${made[@]}"
