#!/bin/bash
# programs.sh STORAGES PROGRAM...: copies programs to STORAGES. Without namespaces that folder is the whole file system
# of a command on the node, and nothing can be mounted in it. A link makes the folder's own path lead back to it.
set -euo pipefail
storages=$1
shift

copy() {
  mkdir -p "$storages${1%/*}"
  [ -e "$storages$1" ] || cp -L --reflink=auto "$1" "$storages$1"
}

mkdir -p "$storages/usr/bin" "$storages/usr/sbin" "$storages/usr/lib" "$storages/dev" "$storages${storages%/*}"
for name in bin lib lib64; do
  [ ! -L "/$name" ] || { mkdir -p "$storages/usr/$name" && ln -sfn "usr/$name" "$storages/$name"; }
done
for program; do
  file=$(command -v "$program")
  copy "$file"
  for library in $(ldd "$file" | grep -o '/[^ ]*'); do copy "$library"; done
done
[ -e "$storages/dev/null" ] || mknod -m 666 "$storages/dev/null" c 1 3
ln -sfn / "$storages$storages"
