/** The report of a trial: Markdown for an issue, without secrets and without names. */
import { arch, platform, release } from 'node:os'
import { resolve } from 'node:path'
import { formatTimes, type TimedStep } from '../journey/timed-steps.mts'
import type { StorageSummary } from '../proxmox/list-storages.mts'
import { formatTable } from '../run/table.mts'
import { revisionOf } from '../templates/git.mts'
import { findTool } from '../tools/find.mts'
import type { Tool } from '../tools/tool.mts'
import type { TrialPlan } from './plan.mts'

const repository = resolve(import.meta.dirname, '../../..')

/** Where a trial stopped. */
export interface TrialFailure {
  /** Name of the step. */
  step: string
  exitCode: number
  /** What the step printed about it, scrubbed. */
  words: string[]
  /** What that means. */
  means: string
}

/** Result of a trial. */
export interface TrialReport {
  passed: boolean
  /** Rows of facts: versions, types of storages. */
  facts: [label: string, value: string][]
  leftOut: string[]
  steps: TimedStep[]
  failure: TrialFailure | undefined
  /** What could not be removed, scrubbed; empty if all is gone. */
  left: string[]
}

/** Collects versions and types; no name of the user's is among them. */
export async function reportedFacts(
  plan: TrialPlan,
  site: { proxmox: string; nodes: number; storages: StorageSummary[] },
): Promise<TrialReport['facts']> {
  const [packer, tofu, provider] = await Promise.all(
    (['packer', 'opentofu', 'proxmox-provider'] as const).map(findTool),
  )
  const typeOf = (id: string): string => describeStorage(site.storages.find(one => one.storage === id))
  return [
    [
      'proxmint',
      ((await revisionOf(['scripts', 'packer', 'terraform'], repository)) ?? 'unknown').slice(0, 12),
    ],
    ['Proxmox VE', `${site.proxmox}, ${site.nodes === 1 ? 'one node' : `${site.nodes} nodes`}`],
    ['Packer', describePacker(packer)],
    ['OpenTofu or Terraform', tofu?.version ?? 'none'],
    ['provider bpg/proxmox', provider?.version ?? 'none'],
    ['here', `Node.js ${process.versions.node}, ${platform()} ${release()} ${arch()}`],
    ['storage of disks', typeOf(plan.diskStorage)],
    ['storage of images', typeOf(plan.imageStorage)],
    ...plan.deliveries.map(({ kind, storage }): [string, string] => [
      `user-data by ${kind === 'iso' ? 'ISO' : 'snippet'}`,
      typeOf(storage),
    ]),
    ['base VM', plan.base.kind === 'found' ? 'one that was there' : 'imported'],
    ['resource pool', plan.resourcePool === undefined ? 'none' : 'one of its own'],
  ]
}

function describePacker(packer: Tool | undefined): string {
  if (packer === undefined) return 'none'
  return packer.plugin === undefined ? packer.version : `${packer.version}, plugin proxmox ${packer.plugin}`
}

function describeStorage(storage: StorageSummary | undefined): string {
  if (storage === undefined) return 'not visible'
  const contents = storage.content.split(',').sort().join(', ')
  return `${storage.type}${storage.shared === 1 ? ', shared' : ''} (${contents})`
}

/** Text of the report. */
export function formatTrial({ passed, facts, leftOut, steps, failure, left }: TrialReport): string {
  const result = passed ? 'passed' : failure === undefined ? 'not all is removed' : 'failed'
  return [
    `### proxmint trial: ${result}`,
    '',
    fenced(formatTable(['', ''], facts).trim()),
    '',
    ...section('Not tried', leftOut),
    fenced(formatTimes(steps)),
    '',
    ...(failure === undefined ? [] : failureLines(failure)),
    ...(left.length === 0 ? ['Nothing of it is left.'] : section('Left', left)),
  ]
    .join('\n')
    .trimEnd()
}

function failureLines({ step, exitCode, words, means }: TrialFailure): string[] {
  return [`It stopped at: ${step} (exit code ${exitCode}). ${means}`, '', fenced(words.join('\n')), '']
}

function section(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : [`${title}:`, ...lines.map(line => `- ${line}`), '']
}

/** A fence that the text cannot close. */
function fenced(text: string): string {
  return ['```text', text.replaceAll('```', "'''"), '```'].join('\n')
}
