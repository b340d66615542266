# What a shell with direnv gets from .envrc, by the real direnv.

bats_require_minimum_version 1.5.0
load project

setup_file() {
  install_tools
}

setup() {
  command -v direnv > /dev/null || skip 'direnv is not installed (apt-get install direnv)'
  make_project
  # As in a shell that knows nothing of the project.
  outside=${PATH//"$repository/node_modules/.bin:"/}
  secret=$(new_secret)
}

# Runs a command in the environment that .envrc makes of a shell which knew nothing of the project.
in_project() {
  PATH=$outside direnv allow
  PATH=$outside run --separate-stderr direnv exec "$project" "$@"
}

# What the shell hook runs; $stderr is what a person sees, $output what the shell evaluates.
hook() {
  PATH=$outside direnv allow
  PATH=$outside run --separate-stderr direnv export bash
}

@test "the credentials and the project's own Node.js are there" {
  make_credentials "$secret"
  in_project sh -c 'echo "$PROXMOX_USERNAME"; echo "$PROXMOX_TOKEN"; echo "$PROXMOX_API_TOKEN"
    command -v zx; command -v node'
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = 'builder@pve!ci' ]
  [ "${lines[1]}" = "$secret" ]
  [ "${lines[2]}" = "PVEAPIToken=builder@pve!ci=$secret" ]
  [ "${lines[3]}" = "$project/node_modules/.bin/zx" ]
  [ "${lines[4]}" = "$project/node_modules/.bin/node" ]
}

@test "sops opens the credentials without a path of its own" {
  make_credentials "$secret"
  in_project sops decrypt --extract '["proxmox_token_secret"]' secrets/proxmox-creds.enc.yaml
  [ "$status" -eq 0 ]
  [ "$output" = "$secret" ]
}

@test "direnv names what it set and shows no secret" {
  make_credentials "$secret" "pass'word \$HOME"
  hook
  [ "$status" -eq 0 ]
  [[ "$stderr" == *+PROXMOX_TOKEN* ]]
  [[ "$output" == *"$secret"* ]]
  [[ "$stderr" != *"$secret"* ]]
  [[ "$stderr" != *"pass'word"* ]]
}

@test "no clear text reaches the disk" {
  make_credentials "$secret"
  hook
  [[ "$output" == *"$secret"* ]]
  echo "$secret" > "$HOME/control"
  run -0 grep --recursive --files-with-matches --fixed-strings "$secret" "$project" "$HOME"
  [ "$output" = "$HOME/control" ]
}

@test "without an age identity it says where one is looked for, and the rest works" {
  make_credentials "$secret"
  mv "$identity" "$HOME/elsewhere.txt"
  in_project sh -c 'echo "token: ${PROXMOX_TOKEN-none}"; command -v zx'
  [ "$status" -eq 0 ]
  [ "${lines[0]}" = 'token: none' ]
  [ "${lines[1]}" = "$project/node_modules/.bin/zx" ]
  [[ "$stderr" == *"identity: $identity"* ]]
  [[ "$stderr" == *'direnv reload'* ]]
}

@test "with somebody else's identity it says so, and whose would do" {
  make_credentials "$secret"
  rm "$identity"
  "$AGE_KEYGEN" -o "$identity" 2> /dev/null
  in_project sh -c 'echo "token: ${PROXMOX_TOKEN-none}"'
  [ "$status" -eq 0 ]
  [ "$output" = 'token: none' ]
  [[ "$stderr" == *'none of your age identities is among its recipients'* ]]
  [[ "$stderr" == *"identity: $identity"* ]]
  [[ "$stderr" == *'sops updatekeys'* ]]
}

@test "without credentials it says how to make them, and takes them up as soon as they are there" {
  hook
  [ "$status" -eq 0 ]
  [[ "$stderr" == *'zx scripts/credentials.mts init'* ]]
  [[ "$output" != *PROXMOX_TOKEN* ]]
  eval "$output"
  make_credentials "$secret"
  run --separate-stderr direnv export bash
  [[ "$output" == *"$secret"* ]]
}

@test "a changed secret is taken up, an unchanged one is not decrypted again" {
  make_credentials "$secret"
  hook
  eval "$output"
  run --separate-stderr direnv export bash
  [ -z "$output" ]
  rm secrets/proxmox-creds.enc.yaml
  other=$(new_secret)
  make_credentials "$other"
  touch --date='+1 minute' secrets/proxmox-creds.enc.yaml
  run --separate-stderr direnv export bash
  [[ "$output" == *"$other"* ]]
}

@test "what is wrong in the credentials is told by name, without the value" {
  make_credentials "$secret"
  in_project sh -c 'sops --decrypt secrets/proxmox-creds.enc.yaml |
    sed "s/^proxmox_token_secret: /&PVEAPIToken=builder@pve!ci=/" |
    sops encrypt --filename-override secrets/proxmox-creds.enc.yaml /dev/stdin > new.yaml'
  [ "$status" -eq 0 ]
  mv new.yaml secrets/proxmox-creds.enc.yaml
  in_project sh -c 'echo "token: ${PROXMOX_TOKEN-none}"'
  [ "$output" = 'token: none' ]
  [[ "$stderr" == *'proxmox_token_secret holds the full token'* ]]
  [[ "$stderr" != *"$secret"* ]]
}

@test "without node_modules it says \`make setup\`" {
  rm node_modules
  in_project sh -c 'echo "token: ${PROXMOX_TOKEN-none}"'
  [ "$status" -eq 0 ]
  [ "$output" = 'token: none' ]
  [[ "$stderr" == *'run `make setup`'* ]]
}

@test ".envrc.local may say where the identity is" {
  make_credentials "$secret"
  mv "$identity" "$HOME/my identity.txt"
  echo 'export SOPS_AGE_KEY_FILE="$HOME/my identity.txt"' > .envrc.local
  in_project sh -c 'echo "$PROXMOX_TOKEN"'
  [ "$output" = "$secret" ]
}
