#!/bin/bash
# A command of the node, such as pvesm: passes its arguments to the lab by descriptor 3, and prints the answer that comes by
# descriptor 4, a line with the exit code and the lengths of both outputs, then these.
export LC_ALL=C
printf '%s\0' "$(($# + 1))" "${0##*/}" "$@" >&3
IFS=' ' read -r code out err <&4
IFS= read -r -N "$out" text <&4
printf '%s' "$text"
IFS= read -r -N "$err" text <&4
printf '%s' "$text" >&2
exit "$code"
