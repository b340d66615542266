#!/usr/bin/env bash
# Checks that the Node.js in node_modules starts. It is linked with libatomic, which a minimal Debian lacks;
# `zx scripts/setup.mts` cannot install that one, since it runs on this Node.js.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

node=node_modules/.bin/node
fault=$("$node" --version 2>&1) && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq >/dev/null
  apt-get install -y -qq --no-install-recommends libatomic1 >/dev/null
  fault=$("$node" --version 2>&1) && exit 0
fi
echo "error: the Node.js that npm installed does not start: $fault" >&2
echo 'hint: run `sudo apt-get install -y libatomic1`; if it is node itself that is missing, npm left out' >&2
echo '      optional dependencies: run `npm ci --include=optional`' >&2
exit 1
