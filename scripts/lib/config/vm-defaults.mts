import { readOptionalYamlFile } from './yaml-file.mts'

/** `config/vm.yaml` with defaults filled in. */
export interface VmDefaults {
  /** A template family. */
  template: string
  /** What a VM with an access credential takes in the place of `template` and `cloudInit.template`. */
  credential: { template: string; cloudInitTemplate: string }
  cores: number
  /** CPU model, as Proxmox names them. */
  cpuType: string
  /** MiB. */
  memory: number
  /** GiB. */
  disk: number
  /** `10m`. */
  agentTimeout: string
  cloudInit: {
    /** A file of `cloud-init/templates/`, without its ending. */
    template: string
    delivery: 'snippet' | 'iso'
    storage: string
    username: string
    /** With the break-glass key, where there is one. */
    sshAuthorizedKeys: string[]
  }
}

interface VmFile {
  template?: string
  credential?: { template?: string; cloud_init?: string }
  cores?: number
  cpu_type?: string
  memory?: number
  disk?: number
  agent_timeout?: string
  cloud_init?: {
    template?: string
    delivery?: 'snippet' | 'iso'
    storage?: string
    username?: string
    ssh_authorized_keys?: string[]
    break_glass_key?: string
  }
}

/** Where the defaults stand, from the project's root; PROXMINT_VM names another file. */
const vmFile = 'config/vm.yaml'

const schema = new URL('../../../config/vm.schema.json', import.meta.url)

/**
 * Without a file, what the commented one says.
 * @throws ProxmintError (invalid) that lists every fault with its path, line and the nearest known key.
 */
export async function loadVmDefaults(env: NodeJS.ProcessEnv = process.env): Promise<VmDefaults> {
  const file = await readOptionalYamlFile<VmFile>(
    { variable: 'PROXMINT_VM', sample: vmFile, schema, moreFaults: () => [] },
    env,
  )
  const cloudInit = file.cloud_init ?? {}
  const breakGlass = cloudInit.break_glass_key
  return {
    template: file.template ?? 'debian',
    credential: {
      template: file.credential?.template ?? 'debian-web3',
      cloudInitTemplate: file.credential?.cloud_init ?? 'nft-auth',
    },
    cores: file.cores ?? 2,
    cpuType: file.cpu_type ?? 'x86-64-v2-AES',
    memory: file.memory ?? 2048,
    disk: file.disk ?? 10,
    agentTimeout: file.agent_timeout ?? '10m',
    cloudInit: {
      template: cloudInit.template ?? 'devbox',
      delivery: cloudInit.delivery ?? 'snippet',
      storage: cloudInit.storage ?? 'local',
      username: cloudInit.username ?? 'admin',
      sshAuthorizedKeys: [
        ...(cloudInit.ssh_authorized_keys ?? []),
        ...(breakGlass === undefined ? [] : [breakGlass]),
      ],
    },
  }
}
