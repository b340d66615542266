/** What commands need besides their arguments, by the names in `uses` of their specs: for PROJECT.yaml. */
import { exitCodes } from '../scripts/lib/run/errors.mts'

export interface UseSpec {
  /** The environment variables that are read for it, with their meaning. */
  variables: Record<string, string>
  /** Exit codes for failures of it, beside those that every command has. */
  exitCodes: number[]
}

const { invalid, denied, locked, partial } = exitCodes

const uses: Record<string, UseSpec> = {
  config: {
    variables: {
      PROXMINT_CONFIG: 'instead of config/proxmint.yaml; the folder above it is the project',
      PROXMINT_STATE_DIR: 'instead of state_dir of config/proxmint.yaml',
      HTTPS_PROXY: 'proxy for lists of checksums and RPC servers; Proxmox is asked directly',
      HTTP_PROXY: 'the same for http',
      NO_PROXY: 'hosts that are asked directly, separated by commas',
    },
    exitCodes: [invalid],
  },
  credentials: {
    variables: {
      PROXMINT_CREDENTIALS: 'instead of secrets/proxmox-creds.enc.yaml',
      PROXMOX_URL: 'the API; where it, PROXMOX_USERNAME or PROXMOX_TOKEN is set, no file is read',
      PROXMOX_USERNAME: 'user@realm!tokenid',
      PROXMOX_TOKEN: 'secret of the API token',
      PROXMOX_NODE: 'node',
      PROXMOX_STORAGE_POOL: 'storage of disks',
      PROXMOX_PASSWORD: 'of the user, for Packer 1.6',
      PROXMOX_CA_FILE: "PEM file of the CA that signed the API's certificate",
      PROXMOX_SKIP_TLS_VERIFY: 'true: any certificate will do',
      PROXMOX_SSH_USER: 'login on the node, for snippets',
      PROXMOX_SSH_PRIVATE_KEY: 'its private key, as text',
      PROXMOX_SSH_ADDRESS: 'where that is',
      PROXMOX_SSH_HOST_KEY: "the node's SSH host key; without it the first one is trusted",
      SOPS_AGE_KEY: 'age identity, as text',
      SOPS_AGE_KEY_FILE: 'file of the age identity',
      SOPS_AGE_KEY_CMD: 'command that prints the age identity',
      SOPS_AGE_SSH_PRIVATE_KEY_FILE: 'an SSH key instead of an age identity',
      XDG_CONFIG_HOME: 'where sops/age/keys.txt is looked for',
    },
    exitCodes: [invalid, denied],
  },
  tools: {
    variables: { XDG_CACHE_HOME: 'where installed tools are: proxmint/tools below it' },
    exitCodes: [],
  },
  registry: {
    variables: {
      PROXMINT_POOLS: 'instead of config/db.yaml',
      PROXMINT_REGISTRY: 'instead of config/registry.yaml',
      PROXMINT_REGISTRY_URL: 'the registry in PostgreSQL, instead of what that file says',
      PGPASSWORD: 'its password',
    },
    exitCodes: [invalid, locked],
  },
  vms: {
    variables: {
      PROXMINT_VM: 'instead of config/vm.yaml',
      PROXMINT_TERRAFORM: 'instead of config/terraform.yaml',
      PROXMOX_VE_SSH_USERNAME: "login on the node for Terraform's provider",
      PROXMOX_VE_SSH_PRIVATE_KEY: 'its private key, as text',
    },
    exitCodes: [invalid, locked],
  },
  chain: {
    variables: {
      PROXMINT_WEB3: 'instead of config/web3-defaults.yaml',
      PROXMINT_RPC_URL: 'JSON-RPC servers, separated by commas, instead of what that file says',
      PROXMINT_SIGNER_PASSWORD: "of the signer's keystore",
      PROXMINT_SIGNER_PASSWORD_FILE: 'file with it',
    },
    exitCodes: [invalid, denied, locked],
  },
  web3Package: {
    variables: {
      PAM_WEB3_PACKAGE: 'the libpam-web3 package of the family debian-web3: an absolute path or a URL',
      PAM_WEB3_PACKAGE_SHA256: 'its SHA-256, hexadecimal',
    },
    exitCodes: [],
  },
  guests: {
    variables: { PROXMINT_GUEST_SSH: "HOST:PORT of a loopback lab's guests" },
    exitCodes: [],
  },
  lab: {
    variables: { PVE_LAB_ROOT_PASSWORD: 'password of root@pam in a new lab, instead of a random one' },
    exitCodes: [],
  },
  /** It changes files that other runs change too. */
  locks: { variables: {}, exitCodes: [locked] },
  /** It does several pieces of work, of which some may fail. */
  many: { variables: {}, exitCodes: [partial] },
}

/** Those that read variables. */
export function usesWithVariables(): [name: string, variables: Record<string, string>][] {
  return Object.entries(uses)
    .filter(([, { variables }]) => Object.keys(variables).length > 0)
    .map(([name, { variables }]) => [name, variables])
}

/** @throws Error for a name that is not in the table. */
export function useNamed(name: string): UseSpec {
  const use = uses[name]
  if (use === undefined) throw new Error(`tools/uses.mts has no ${name}`)
  return use
}
