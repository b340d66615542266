# What a shell without direnv gets, and the short names of the Makefile.

bats_require_minimum_version 1.5.0
load project

setup_file() {
  install_tools
}

setup() {
  make_project
}

@test "sh takes the credentials by eval, whatever signs are in them" {
  secret=$(new_secret)
  password='it'\''s $HOME `id` "quoted" \ and more'
  make_credentials "$secret" "$password"
  run -0 sh -c 'eval "$(zx scripts/credentials.mts export)"
    printf "%s\n" "$PROXMOX_USERNAME" "$PROXMOX_TOKEN" "$PROXMOX_PASSWORD"'
  [ "${lines[0]}" = 'builder@pve!ci' ]
  [ "${lines[1]}" = "$secret" ]
  [ "${lines[2]}" = "$password" ]
}

@test "where there are no credentials, eval sets nothing and the reason is on standard error" {
  run --separate-stderr sh -c 'eval "$(zx scripts/credentials.mts export)"; echo "token: ${PROXMOX_TOKEN-none}"'
  [ "$output" = 'token: none' ]
  [[ "$stderr" == *'error: no credentials'* ]]
  [[ "$stderr" == *'zx scripts/credentials.mts init'* ]]
}

@test "credentials init never touches an encrypted file that is there" {
  make_credentials "$(new_secret)"
  before=$(sha256sum secrets/proxmox-creds.enc.yaml)
  run -2 make_credentials "$(new_secret)"
  [[ "$output" == *'secrets/proxmox-creds.enc.yaml exists'* ]]
  [ "$before" = "$(sha256sum secrets/proxmox-creds.enc.yaml)" ]
}

@test "make help lists every target that has a description, each with it" {
  run -0 make --no-print-directory -C "$repository" help
  for target in setup demo test check base build lab; do
    [[ "$output" =~ "  make $target "\ *[a-z] ]]
  done
  [ "${#lines[@]}" -eq "$(grep -cE '^[a-z-]+:.*##' "$repository/Makefile")" ]
}

@test "make alone is make help" {
  run -0 make --no-print-directory -C "$repository"
  [[ "$output" == *'make demo'* ]]
}

@test "make works where the path has a space" {
  cp "$repository"/{Makefile,package.json,package-lock.json} .
  mkdir lab && cp "$repository"/lab/package.json lab
  # As after a set-up: nothing of it is newer than what was installed.
  touch --date=2000-01-01 package.json package-lock.json lab/package.json
  run -0 make --no-print-directory templates
  [[ "$output" == *'no versions yet'* ]]
  run -0 make --no-print-directory build ARGS=--help
  [[ "$output" == *'zx scripts/build.mts [OS]...'* ]]
}

@test "make has a target for every command that has one" {
  for target in setup secrets check doctor base build templates vm apply mint contract gc reconcile report lab demo; do
    run -0 make --no-print-directory --dry-run -C "$repository" "$target"
  done
}
