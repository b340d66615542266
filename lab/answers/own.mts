/**
 * Which steps of a sequence may run on somebody's Proxmox, and under which names: only requests on VMs that the sequence
 * makes itself, with VMIDs nobody has, in a pool of its own.
 */

import type { Step, StepAnswer } from './sequence.mts'

export interface Names {
  /** VMID n of a sequence becomes `block * 1000 + n`. From 1000, so that no other number of an answer looks like one. */
  block: number
  /** The node that takes the place of the sequence's `pve`. */
  node: string
  /** Storages that take the place of the sequence's. */
  storages: Record<string, string>
  pool: string
  /** User or token that sends the requests. */
  login: string
}

/** Parameters whose value is a VMID. */
const VMID_KEYS = new Set(['vmid', 'newid', 'target-vmid'])
/** VMIDs inside of texts: paths, volumes, messages. */
const VMID_TEXTS = /(\/qemu\/|\b(?:vm|base|VM)[-: ]|:)(\d{3})(?=\b)(?!:)/g

const ALLOWED = [
  /^GET \/(version|cluster\/nextid)$/,
  /^POST \/nodes\/pve\/qemu$/,
  /^[A-Z]+ \/nodes\/pve\/qemu\/\d{3}(\/.*)?$/,
  /^[A-Z]+ \/nodes\/pve\/tasks\/\{upid\}(\/.*)?$/,
]

/** A word of its own: not a part of a longer name. */
function word(text: string): RegExp {
  return new RegExp(`(?<![\\w.-])${text.replace(/[.]/g, '\\.')}(?![\\w.-])`, 'g')
}

function isVmid(value: unknown): boolean {
  return /^\d{3}$/.test(String(value))
}

/** Checks that a step touches nothing but VMs of the sequence. */
export function isOwn({ method, path, params, as, encoding }: Step): boolean {
  if (as !== 'root@pam' || encoding === 'raw' || encoding === 'multipart') return false
  const ids = Object.entries(params ?? {}).filter(([key]) => VMID_KEYS.has(key))
  const named = path === '/nodes/pve/qemu' && method === 'POST' ? ids.length > 0 : true
  return (
    named && ids.every(([, value]) => isVmid(value)) && ALLOWED.some(rule => rule.test(`${method} ${path}`))
  )
}

function ownText(names: Names, text: string): string {
  const numbered = text.replace(VMID_TEXTS, (_, before, id) => `${before}${names.block}${id}`)
  const stored = Object.entries(names.storages).reduce(
    (sum, [from, to]) => sum.replace(word(from), to),
    numbered,
  )
  return stored.replace(/^\/nodes\/pve(?=\/|$)/, `/nodes/${names.node}`)
}

function ownValue(names: Names, key: string, value: unknown): unknown {
  if (VMID_KEYS.has(key)) return Number(`${names.block}${value}`)
  return typeof value === 'string' ? ownText(names, value) : value
}

/** Returns the VMID of a request that makes a VM. */
export function madeVmid({ method, path, params }: Step): number | undefined {
  const { vmid, newid } = (params ?? {}) as Record<string, unknown>
  if (method !== 'POST') return undefined
  if (/\/nodes\/[^/]+\/qemu$/.test(path)) return Number(vmid)
  return path.endsWith('/clone') && newid !== undefined ? Number(newid) : undefined
}

/** Returns the step as it is sent: with VMIDs, node and storages of this Proxmox, and with the pool. */
export function ownStep(names: Names, step: Step): Step {
  const entries = Object.entries(step.params ?? {}).map(([key, value]) => [key, ownValue(names, key, value)])
  const pooled = madeVmid(step) === undefined ? {} : { pool: names.pool }
  return { ...step, path: ownText(names, step.path), params: { ...Object.fromEntries(entries), ...pooled } }
}

function sequenceText({ block, node, storages, pool, login }: Names, text: string): string {
  const numbered = text
    .replaceAll(login, 'root@pam')
    .replaceAll(new RegExp(`\\b${block}(\\d{3})\\b`, 'g'), '$1')
  const stored = Object.entries(storages).reduce((sum, [to, from]) => sum.replace(word(from), to), numbered)
  return stored.replace(word(node), 'pve').replace(word(pool), 'POOL')
}

function sequenceValue(names: Names, value: unknown): unknown {
  if (typeof value === 'string') return sequenceText(names, value)
  if (typeof value === 'number') return Number(sequenceText(names, String(value)))
  if (Array.isArray(value)) return value.map(each => sequenceValue(names, each))
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).filter(([key, each]) => !(key === 'pool' && each === names.pool))
  return Object.fromEntries(
    entries.map(([key, each]) => [sequenceText(names, key), sequenceValue(names, each)]),
  )
}

/** Returns an answer in the words of the sequence: nothing of this Proxmox's names stays in it. */
export function inWordsOfSequence(names: Names, answer: StepAnswer): StepAnswer {
  return sequenceValue(names, answer) as StepAnswer
}
