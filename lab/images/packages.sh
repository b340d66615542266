# shellcheck shell=bash
# Sourced by the customize hooks of mmdebstrap. They set `root` and get PACKAGES in the environment.

# What the image does not have but guests install: kept with what it depends on beyond the image.
download_packages() {
  chroot "$root" apt-get -q clean
  # shellcheck disable=SC2086,SC2154 # a list of names; root is the hook's
  chroot "$root" apt-get -q -y --download-only --no-install-recommends install $PACKAGES
  mkdir "$root/lab-packages"
  mv "$root"/var/cache/apt/archives/*.deb "$root/lab-packages/"
  chroot "$root" apt-get -q clean
}

# Makes a flat apt repository of them: /lab-packages, which the caller moves out of the root.
index_packages() (
  cd "$root/lab-packages"
  for deb in *.deb; do
    chroot "$root" dpkg-deb --field "/lab-packages/$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' \
      "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
  done > Packages
  {
    printf 'Origin: proxmint-lab\nSuite: lab\nDate: %s\nSHA256:\n' "$(date -R -u)"
    printf ' %s %s Packages\n' "$(sha256sum Packages | cut -d' ' -f1)" "$(stat -c %s Packages)"
  } > Release
)

# From now on the image installs from the lab alone. PACKAGE_SOURCE is the repository's URL for guests.
use_package_source() {
  rm -rf "$root"/etc/apt/sources.list.d/*
  echo "deb [trusted=yes] $PACKAGE_SOURCE ./" > "$root/etc/apt/sources.list"
}
