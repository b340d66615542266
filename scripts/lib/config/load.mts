/** Loads `config/proxmint.yaml`. */
import { dirname, join, resolve } from 'node:path'
import { type FirmwareEntry, firmwareFaults, type WantedFirmware, wantedFirmware } from './firmware.mts'
import { rangeFaults, type SchemaFault } from './schema-faults.mts'
import { readYamlFile } from './yaml-file.mts'

export interface ImageConfig {
  /** URL that the node downloads. Either this or `file` is set. */
  url: string | undefined
  /** File of this machine that is uploaded to the node; an absolute path. */
  file: string | undefined
  /** URL of the publisher's list of checksums, with the name of the image's file: SHA512SUMS, SHA256SUMS, FILE.SHA256. */
  checksumsUrl: string | undefined
  /** `sha256:HEX` or `sha512:HEX`, for an image without such a list. */
  checksum: string | undefined
  /**
   * First boot of the base VM. `agent`: installs the guest agent. `upgrade`: upgrades all packages too, for a rolling
   * release. `none`: no boot, because the image has the agent.
   */
  firstBoot: FirstBoot
  /** Firmware of the base VM, as far as it is named; the rest is BIOS without a TPM. Undefined: nothing is named. */
  firmware: WantedFirmware | undefined
}

export type FirstBoot = 'agent' | 'upgrade' | 'none'

/** `config/proxmint.yaml` with defaults filled in and paths made absolute. */
export interface Config {
  site: string
  bridge: string
  /** Resource pool of everything that is made; undefined: none. */
  resourcePool?: string | undefined
  /** Storage for downloaded images (content type `import`) and ISO files. */
  imageStorage: string
  /** First and last VMID of VM templates. */
  templateVmidRange: [number, number]
  /** First and last VMID of imported base VMs. */
  baseVmidRange: [number, number]
  taskTimeoutSeconds: number
  /** Most builds at the same time on one node, and with disks on one storage. */
  buildsPerNode: number
  buildsPerStorage: number
  /** Longest wait for the one boot of a base VM, and for the end of cloud-init in a VM's first boot. */
  firstBootTimeoutSeconds: number
  /** Longest wait of a build for the login to its guest. Undefined: the template's own. */
  buildBootTimeoutSeconds: number | undefined
  /** Longest wait of the acceptance test, from the start of a clone until it can be checked. */
  testBootTimeoutSeconds: number
  /** Longest wait for the address of a running VM, which its guest agent reports. */
  agentTimeoutSeconds: number
  /** Static address of one clone in the acceptance test: `192.168.1.250/24,gw=192.168.1.1`. */
  testAddress: string | undefined
  /** Folder for state that lasts longer than a run: reservations, manifests, logs; an absolute path. */
  stateDir: string
  /** Images by name: `debian-12`. */
  images: Record<string, ImageConfig>
}

interface ConfigFile {
  site?: string
  bridge?: string
  resource_pool?: string
  image_storage?: string
  template_vmid_range?: [number, number]
  base_vmid_range?: [number, number]
  task_timeout_seconds?: number
  builds_per_node?: number
  builds_per_storage?: number
  first_boot_timeout_seconds?: number
  build_boot_timeout_seconds?: number
  test_boot_timeout_seconds?: number
  agent_timeout_seconds?: number
  test_address?: string
  state_dir?: string
  images?: Record<string, ImageEntry>
}

interface ImageEntry extends FirmwareEntry {
  url?: string
  file?: string
  checksums_url?: string
  checksum?: string
  first_boot?: FirstBoot
}

/** Path of the config, from the project's root; PROXMINT_CONFIG names another file. */
export const CONFIG_FILE = 'config/proxmint.yaml'

const SCHEMA = new URL('../../../config/proxmint.schema.json', import.meta.url)

/** Absolute path of the project's root: the parent of the config's folder. */
export function projectRoot(env: NodeJS.ProcessEnv = process.env): string {
  return resolve(dirname(env['PROXMINT_CONFIG'] ?? CONFIG_FILE), '..')
}

/** Loads the config. @throws ProxmintError (invalid) that lists every fault with its path, line and the nearest known key. */
export async function loadConfig(env: NodeJS.ProcessEnv = process.env): Promise<Config> {
  const path = env['PROXMINT_CONFIG'] ?? CONFIG_FILE
  const file = await readYamlFile<ConfigFile>({
    path,
    sample: CONFIG_FILE,
    schema: SCHEMA,
    moreFaults: file => [
      ...rangeFaults('template_vmid_range', file.template_vmid_range),
      ...rangeFaults('base_vmid_range', file.base_vmid_range),
      ...imageFaults(file),
    ],
  })
  return {
    site: file.site ?? 'home',
    bridge: file.bridge ?? 'vmbr0',
    ...(file.resource_pool !== undefined && { resourcePool: file.resource_pool }),
    imageStorage: file.image_storage ?? 'local',
    templateVmidRange: file.template_vmid_range ?? [9000, 9899],
    baseVmidRange: file.base_vmid_range ?? [9900, 9999],
    taskTimeoutSeconds: file.task_timeout_seconds ?? 600,
    buildsPerNode: file.builds_per_node ?? 4,
    buildsPerStorage: file.builds_per_storage ?? 4,
    firstBootTimeoutSeconds: file.first_boot_timeout_seconds ?? 900,
    buildBootTimeoutSeconds: file.build_boot_timeout_seconds,
    testBootTimeoutSeconds: file.test_boot_timeout_seconds ?? 300,
    agentTimeoutSeconds: file.agent_timeout_seconds ?? 300,
    testAddress: file.test_address,
    stateDir: resolve(env['PROXMINT_STATE_DIR'] ?? join(dirname(path), '..', file.state_dir ?? '.proxmint')),
    images: Object.fromEntries(
      Object.entries(file.images ?? {}).map(([name, image]) => [name, imageConfig(image, dirname(path))]),
    ),
  }
}

function imageConfig(image: ImageEntry, folder: string): ImageConfig {
  return {
    url: image.url,
    file: image.file === undefined ? undefined : resolve(folder, '..', image.file),
    checksumsUrl: image.checksums_url,
    checksum: image.checksum?.toLowerCase(),
    firstBoot: image.first_boot ?? 'agent',
    firmware: wantedFirmware(image),
  }
}

/** Lists images with no source, with two sources or checksums, or with secure boot but no UEFI. */
function imageFaults({ images = {} }: ConfigFile): SchemaFault[] {
  return Object.entries(images).flatMap(([name, image]) => {
    const { url, file, checksum, checksums_url: list } = image
    const path = ['images', name]
    const faults: string[] = []
    if ((url === undefined) === (file === undefined)) faults.push('must have either a url or a file')
    if (checksum !== undefined && list !== undefined) {
      faults.push('must have either a checksum or a checksums_url')
    }
    const told = faults.map(fault => ({ path, sentence: `${path.join('.')} ${fault}` }))
    return [...told, ...firmwareFaults(image, path)]
  })
}
