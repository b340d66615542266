/** The lab's own user, role and API token, and the variables that log in with them. */

import { randomBytes, randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export type PveVersion = 8 | 9

export const LAB_USER = 'proxmint@pve'
export const LAB_TOKEN = `${LAB_USER}!lab`
const LAB_ROLE = 'Proxmint'

/** Secrets of the lab's own users. Each state folder has its own. */
export interface Secrets {
  rootPassword: string
  userPassword: string
  /** Secret of the API token. */
  tokenSecret: string
}

/** Privileges that building VM templates, making VMs and backing them up need, except the guest agent's. */
const PRIVILEGES = [
  'Datastore.Allocate Datastore.AllocateSpace Datastore.AllocateTemplate Datastore.Audit Pool.Allocate',
  'SDN.Use Sys.Audit Sys.Console Sys.Modify Sys.PowerMgmt VM.Allocate VM.Audit VM.Clone VM.Config.CDROM',
  'VM.Config.CPU VM.Config.Cloudinit VM.Config.Disk VM.Config.HWType VM.Config.Memory VM.Config.Network',
  'VM.Backup VM.Config.Options VM.Migrate VM.PowerMgmt',
].flatMap(line => line.split(' '))

/** The guest agent's privilege has another name in each version. */
const AGENT_PRIVILEGE: Record<PveVersion, string> = { 8: 'VM.Monitor', 9: 'VM.GuestAgent.Audit' }

/**
 * Reads the secrets of a state folder, or makes and keeps new ones.
 * @param rootPassword used only when the folder has no secrets yet. Default: a random one.
 */
export async function ensureSecrets(stateFolder: string, rootPassword: string | undefined): Promise<Secrets> {
  const path = join(stateFolder, 'secrets.json')
  const known = await readFile(path, 'utf8').then(JSON.parse, () => undefined)
  const secrets: Secrets = known ?? {
    rootPassword: rootPassword ?? randomPassword(),
    userPassword: randomPassword(),
    tokenSecret: randomUUID(),
  }
  if (!known) await writeFile(path, JSON.stringify(secrets), { mode: 0o600 })
  return secrets
}

/** Returns a `user.cfg`: the lines the caller gives, then the lab's user, role and API token. */
export function labUserCfg(version: PveVersion, given = ''): string {
  const privileges = [...PRIVILEGES, AGENT_PRIVILEGE[version]].sort().join(',')
  const root = /^user:root@pam:/m.test(given) ? '' : 'user:root@pam:1:0::::::\n'
  const own = [
    `user:${LAB_USER}:1:0::::::`,
    `token:${LAB_TOKEN}:0:0:the lab's own:`,
    `role:${LAB_ROLE}:${privileges}:`,
    `acl:1:/:${LAB_USER}:${LAB_ROLE}:`,
  ]
  return `${given.trimEnd()}\n${root}${own.join('\n')}\n`
}

interface LoginPlace {
  url: string
  caFile: string
  node: string
  /** Storage for disks. */
  storage: string
}

/** Returns environment variables that log in to the lab as its user, by API token or password. */
export function loginVariables(place: LoginPlace, secrets: Secrets): Record<string, string> {
  const { url, caFile, node, storage } = place
  return {
    PROXMOX_URL: url,
    PROXMOX_USERNAME: LAB_TOKEN,
    PROXMOX_TOKEN: secrets.tokenSecret,
    PROXMOX_API_TOKEN: `PVEAPIToken=${LAB_TOKEN}=${secrets.tokenSecret}`,
    PROXMOX_NODE: node,
    PROXMOX_STORAGE_POOL: storage,
    PROXMOX_PASSWORD: secrets.userPassword,
    PROXMOX_CA_FILE: caFile,
  }
}

function randomPassword(): string {
  return randomBytes(18).toString('base64url')
}
