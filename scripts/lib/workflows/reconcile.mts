import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { projectRoot } from '../config/load.mts'
import { loadPools } from '../config/pools.mts'
import { loadBackend } from '../config/terraform.mts'
import { listVms } from '../proxmox/list-vms.mts'
import { type Divergence, divergencesOf, type Fix, type Views } from '../registry/divergence.mts'
import { isVmName, withEvent } from '../registry/entry.mts'
import { type TokenViews, tokenDivergencesOf, tokenKey } from '../registry/token-divergence.mts'
import { codeOf } from '../run/errors.mts'
import { formatTable } from '../run/table.mts'
import { tokenViews } from './reconcile-tokens.mts'
import { expireToken, tellExpiry } from './vm-expiry.mts'
import { removeVmFolder } from './vm-folder.mts'
import type { Working } from './vm-steps.mts'
import { powerOff } from './vm-suspend.mts'

export interface Finding extends Divergence {
  fixed: boolean
}

/**
 * Finds where registry, folders, Proxmox and chain contradict each other, with one request to Proxmox for all VMs.
 * @param fix mends what has only one meaning.
 */
export async function reconcile(working: Working, fix: boolean): Promise<Finding[]> {
  const views = await viewsOf(working)
  const findings = await mendAll(divergencesOf(views), fix, ({ name, fix: how }) => mend(name, how, working))
  const tokens = await tokenViews(working, views.entries)
  const silent = tokens.silent.map(silentContract)
  const found = await mendAll(tokenDivergencesOf(tokens), fix, divergence =>
    mendToken(divergence, tokens, working),
  )
  return [...findings, ...silent, ...found]
}

async function mendAll(
  divergences: Divergence[],
  fix: boolean,
  mendOne: (divergence: Divergence) => Promise<boolean>,
): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const divergence of divergences) {
    const fixed = fix && divergence.fix !== undefined && (await mendOne(divergence))
    findings.push({ ...divergence, fixed })
  }
  return findings
}

function silentContract({ contract, why }: { contract: string; why: string }): Finding {
  const hint = 'the tokens of its VMs were not looked at; mend config/web3-defaults.yaml or PROXMINT_RPC_URL'
  return { name: contract, what: `the chain cannot be asked: ${why}`, hint, fix: undefined, fixed: false }
}

async function viewsOf({ store, connection }: Working): Promise<Views> {
  const [entries, vms, { vmidRange }] = await Promise.all([
    store.list(),
    listVms(connection.client),
    loadPools(),
  ])
  const folders = await orphanFolders(new Set(entries.map(({ name }) => name)))
  return { entries, vms, folders, vmidRange, siteTag: `proxmint-${connection.config.site}`, now: new Date() }
}

/** States are read of folders without an entry only: there may be thousands of the others. */
async function orphanFolders(known: Set<string>): Promise<Views['folders']> {
  const root = join(projectRoot(), 'vms')
  const [names, backend] = await Promise.all([
    readdir(root).catch(error => {
      if (codeOf(error) === 'ENOENT') return []
      throw error
    }),
    loadBackend(),
  ])
  const isTold = backend.type === 'local' && Object.keys(backend.settings).length === 0
  const told = names
    .filter(name => isVmName(name) && !known.has(name))
    .map(
      async name => [name, { holdsState: isTold ? await holdsState(join(root, name)) : undefined }] as const,
    )
  return new Map(await Promise.all(told))
}

/** Undefined where the state cannot be read. */
async function holdsState(folder: string): Promise<boolean | undefined> {
  const text = await readFile(join(folder, 'terraform.tfstate'), 'utf8').catch(error =>
    codeOf(error) === 'ENOENT' ? '{}' : undefined,
  )
  try {
    return text === undefined ? undefined : (JSON.parse(text).resources ?? []).length > 0
  } catch {
    return undefined
  }
}

/** Looks again under the VM's lock. @returns false where it is not so any more. */
async function mend(name: string, fix: Fix | undefined, working: Working): Promise<boolean> {
  return working.store.exclusively(name, 'reconcile', async () => {
    const entry = await working.store.find(name)
    if (fix === 'remove the folder' && entry === undefined) {
      await removeVmFolder(name)
      return true
    }
    if (fix !== 'power it off' || entry?.phase !== 'suspended') return false
    await powerOff(entry, working)
    return true
  })
}

/** Looks again under the VM's lock. @returns false where it is not so any more. */
async function mendToken(
  { name, fix }: Divergence,
  { entries, tokens }: TokenViews,
  { store, issuer }: Working,
): Promise<boolean> {
  const before = entries.find(entry => entry.name === name && tokens.has(tokenKey(entry)))!
  if (before.phase === 'destroyed') return (await expireToken(before, issuer))?.status === 'expired'
  return store.exclusively(name, 'reconcile', async () => {
    const entry = await store.find(name)
    if (entry?.id !== before.id) return false
    if (fix === 'tell the chain') {
      await tellExpiry(entry, issuer)
      return true
    }
    const { owner } = tokens.get(tokenKey(before))!
    await store.change(name, one => withEvent({ ...one, owner }, `transferred to ${owner}`, new Date()))
    return true
  })
}

/** For a person. */
export function formatReconcile(findings: Finding[]): string {
  if (findings.length === 0) return 'registry, folders, Proxmox and chain agree'
  const rows = findings.map(({ name, what, hint, fixed }) => [name, what, fixed ? 'fixed' : hint])
  return formatTable(['name', 'found', 'what to do'], rows)
}
