# A project of a user's, with a home of its own, for the tests of a shell.

repository=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

# Installs sops and age where they are missing; says which age-keygen the tests are to use.
install_tools() {
  export PATH="$repository/node_modules/.bin:$PATH"
  cd "$repository" || return
  zx scripts/setup.mts --only sops,age --json > "$BATS_FILE_TMPDIR/tools.json"
  AGE_KEYGEN=$(node --print '
    const { tools } = JSON.parse(fs.readFileSync(process.argv[1], "utf8"));
    path.join(path.dirname(tools.find(tool => tool.name === "age").file), "age-keygen")' "$BATS_FILE_TMPDIR/tools.json")
  export AGE_KEYGEN
}

# A path with spaces, since people have those. The cache with the tools stays the machine's own.
make_project() {
  export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache}
  export HOME="$BATS_TEST_TMPDIR/a home"
  export XDG_CONFIG_HOME="$HOME/.config" XDG_DATA_HOME="$HOME/.local/share" XDG_STATE_HOME="$HOME/.local/state"
  unset "${!PROXMOX_@}" "${!PROXMINT_@}" "${!SOPS_@}" "${!DIRENV_@}" PACKER_PLUGIN_PATH
  project="$BATS_TEST_TMPDIR/my project"
  identity="$XDG_CONFIG_HOME/sops/age/keys.txt"
  mkdir -p "$HOME" "$project/secrets"
  cp "$repository/.envrc" "$project"
  cp "$repository/secrets/TEMPLATE-proxmox-creds.yaml" "$project/secrets"
  ln -s "$repository"/{node_modules,scripts,config,tools,packer} "$project"
  cd "$project" || return
}

# make_credentials SECRET [PASSWORD]: the clear text goes through a pipe and never to disk.
make_credentials() {
  zx scripts/credentials.mts init << END
proxmox_url: https://pve.example.net:8006/api2/json
proxmox_user: builder@pve
proxmox_token_id: ci
proxmox_token_secret: $1
proxmox_node: pve
proxmox_storage_pool: tank
proxmox_password: |-
  ${2:-unused}
END
}

new_secret() {
  cat /proc/sys/kernel/random/uuid
}
