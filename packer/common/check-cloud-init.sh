#!/bin/sh
# Exit code 2 of `cloud-init status` says that cloud-init recovered from something. Deprecations are fine;
# anything else (a package that was not installed, a file that was not written) must not become a template.
set -eu

status=$(cloud-init status --format json | tr '\n' ' ')

for level in WARNING ERROR CRITICAL; do
  found=$(printf '%s' "$status" | grep -oE "\"$level\": *\[[^]]*\]" | grep -vE '\[ *\]' || true)
  if [ -n "$found" ]; then
    echo "cloud-init recovered from more than deprecations: $found" >&2
    exit 1
  fi
done
