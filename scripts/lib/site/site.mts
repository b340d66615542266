import { join } from 'node:path'
import { readUserDataTemplate, USER_DATA_FOLDER } from '../cloud-init/user-data.mts'
import { type Config, loadConfig, projectRoot } from '../config/load.mts'
import { findOwnSshKey, type OwnSshKey } from '../config/own-ssh-key.mts'
import { loadPools, type PoolConfig } from '../config/pools.mts'
import { loadRegistryUrl } from '../config/registry.mts'
import { type BackendConfig, loadBackend } from '../config/terraform.mts'
import { loadVmDefaults, type VmDefaults } from '../config/vm-defaults.mts'
import { loadWeb3, type Web3Config } from '../config/web3.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import type { Families } from '../templates/version.mts'

/** Place of the registry: a folder of this machine, or a database. */
export type RegistryPlace =
  | { kind: 'file'; folder: string }
  /** `known`: file that names the registry which this machine used last. */
  | { kind: 'postgres'; url: string; known?: string }

/**
 * Files that describe one site. Each is read and checked at its first use, once per run.
 * Every function rejects with a ProxmintError (invalid) with all faults of its file; `userDataTemplate` with (usage) for
 * an unknown name.
 */
export interface Site {
  config(): Promise<Config>
  pools(): Promise<PoolConfig>
  vmDefaults(): Promise<VmDefaults>
  /** Public SSH key of the person who runs the command. */
  ownSshKey(): Promise<OwnSshKey | undefined>
  backend(): Promise<BackendConfig>
  web3(): Promise<Web3Config>
  registryPlace(): Promise<RegistryPlace>
  /** Versions of the VM templates in the lockfile, as of the first use. Read the lockfile anew where work may have waited. */
  families(): Promise<Families>
  /** Text of a cloud-init template. */
  userDataTemplate(name: string): Promise<string>
}

/** Creates the site of this working directory. It reads no file yet. */
export function openSite(): Site {
  const config = once(loadConfig)
  const templates = new Map<string, Promise<string>>()
  return {
    config,
    pools: once(loadPools),
    vmDefaults: once(loadVmDefaults),
    ownSshKey: once(findOwnSshKey),
    backend: once(loadBackend),
    web3: once(loadWeb3),
    registryPlace: once(() => registryPlace(config)),
    families: once(() => readLockfile(lockfilePath())),
    userDataTemplate(name) {
      const text = templates.get(name) ?? readUserDataTemplate(join(projectRoot(), USER_DATA_FOLDER), name)
      templates.set(name, text)
      return text
    },
  }
}

function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined
  return () => {
    loaded ??= load()
    return loaded
  }
}

async function registryPlace(config: Site['config']): Promise<RegistryPlace> {
  const url = await loadRegistryUrl()
  const { stateDir } = await config()
  if (url !== undefined) return { kind: 'postgres', url, known: join(stateDir, 'registry.database') }
  return { kind: 'file', folder: join(stateDir, 'registry') }
}
