import { readFile } from 'node:fs/promises'
import { exitCodes } from '../run/errors.mts'
import { type Demo, shell } from './lab.mts'

export const privilege = 'VM.GuestAgent.Audit'

/** By standard input: the clear text touches no disk. */
export async function encryptCredentials(demo: Demo): Promise<void> {
  const { tokenEnv } = demo.lab
  const [user, tokenId] = tokenEnv['PROXMOX_USERNAME']!.split('!')
  const values = {
    proxmox_url: demo.lab.url,
    proxmox_user: user,
    proxmox_token_id: tokenId,
    proxmox_token_secret: tokenEnv['PROXMOX_TOKEN'],
    proxmox_node: tokenEnv['PROXMOX_NODE'],
    proxmox_storage_pool: tokenEnv['PROXMOX_STORAGE_POOL'],
    proxmox_password: tokenEnv['PROXMOX_PASSWORD'],
    proxmox_ca_file: demo.lab.caFile,
    proxmox_ssh_user: demo.lab.nodeSsh.user,
    proxmox_ssh_private_key: await readFile(demo.lab.nodeSsh.privateKeyFile, 'utf8'),
  }
  await shell(demo, { input: JSON.stringify(values) })`zx scripts/credentials.mts init`
  await shell(demo)`zx scripts/credentials.mts check`
}

/** @returns the role of the lab's user, from which the privilege was taken. */
export async function withoutPrivilege(demo: Demo): Promise<string> {
  const acl = await demo.root.request<{ ugid: string; roleid: string }[]>('GET', '/access/acl')
  const user = demo.lab.tokenEnv['PROXMOX_USERNAME']!.split('!')[0]
  const role = acl.find(entry => entry.ugid === user)!.roleid
  const privileges = await demo.root.request<Record<string, number>>('GET', `/access/roles/${role}`)
  const rest = Object.keys(privileges).filter(name => name !== privilege)
  await demo.root.request('PUT', `/access/roles/${role}`, { privs: rest.join(',') })
  await shell(demo, { expectedCode: exitCodes.denied })`zx scripts/check-permissions.mts --template debian`
  return role
}

/** What the printed `pveum role modify` line does, by the API. */
export async function appendPrivilege(demo: Demo, role: string): Promise<void> {
  await demo.root.request('PUT', `/access/roles/${role}`, { privs: privilege, append: 1 })
}
