#!/bin/sh
# Installs libpam-web3 and enables its service for every clone. It is not started: a clone's cloud-init writes the
# configuration first. Where PACKAGE is a URL it is downloaded, otherwise it was uploaded; either way it must have
# the SHA-256 in SHA256. Runs as root.
set -eu

package=/tmp/libpam-web3.deb

case $PACKAGE in
  http://* | https://*)
    # cloud-init needs Python; curl or wget may not be there.
    python3 -c 'import sys, urllib.request; urllib.request.urlretrieve(*sys.argv[1:])' "$PACKAGE" $package
    ;;
esac

case $SHA256 in
  *[!0-9a-fA-F]* | '')
    echo "web3_package_sha256 is no SHA-256: '$SHA256'" >&2
    exit 1
    ;;
esac
if ! echo "$SHA256  $package" | sha256sum --check --status; then
  echo "the package has the SHA-256 $(sha256sum $package | cut -d ' ' -f 1), not $SHA256" >&2
  exit 1
fi

name=$(dpkg-deb --field $package Package)
if [ "$name" != libpam-web3 ]; then
  echo "the package is $name, not libpam-web3" >&2
  exit 1
fi

apt-get update
DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $package
systemctl enable web3-auth-svc
rm -f $package
