/** Rules for the workflows of GitHub: what reaches a secret, and with which rights. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'

const folder = join(import.meta.dirname, '../../../.github/workflows')

interface Step {
  uses?: string
  run?: string
  with?: Record<string, unknown>
  env?: Record<string, unknown>
}

interface Job {
  environment?: string
  permissions?: Record<string, string>
  env?: Record<string, unknown>
  'runs-on': string | string[]
  steps: Step[]
}

interface Workflow {
  on: Record<string, unknown>
  permissions?: Record<string, string>
  env?: Record<string, unknown>
  jobs: Record<string, Job>
}

/** Rights that a job may have besides reading. */
const WRITES: Record<string, string[]> = { rebuild: ['contents', 'pull-requests'] }

/** Git commands that put files of another commit into the work tree, or move it. */
const TAKES_FILES =
  /\bgit\b[^\n]*\b(merge(?!-)|checkout|switch|restore|pull|rebase|reset|cherry-pick|am|apply|worktree|read-tree|archive|submodule)\b/

/** Lists each fault of a workflow in a sentence. */
function faultsOf(text: string): string[] {
  const { on, permissions, env, jobs } = parse(text) as Workflow
  const triggers = ['pull_request_target', 'workflow_run', 'issue_comment'].filter(name => name in on)
  return [
    ...triggers.map(name => `${name} runs with secrets for a stranger's event`),
    ...(permissions === undefined ? ['no permissions at the top'] : []),
    ...writes(permissions).map(right => `every job may write ${right}`),
    ...(JSON.stringify(env ?? {}).includes('secrets.') ? ['a secret in the environment of every job'] : []),
    ...Object.entries(jobs).flatMap(([name, job]) => faultsOfJob(name, job, on)),
  ]
}

function writes(permissions: Record<string, string> = {}): string[] {
  return Object.entries(permissions).flatMap(([right, level]) => (level === 'write' ? [right] : []))
}

function faultsOfJob(name: string, job: Job, on: Workflow['on']): string[] {
  const faults = writes(job.permissions)
    .filter(right => !WRITES[name]?.includes(right))
    .map(right => `${name} may write ${right}`)
  for (const { uses, with: inputs } of job.steps) {
    if (uses !== undefined && !/@[0-9a-f]{40}$/.test(uses)) faults.push(`${name}: ${uses} is not pinned`)
    if (uses?.startsWith('actions/checkout') && inputs?.['persist-credentials'] !== false)
      faults.push(`${name}: checkout leaves its credentials in the work tree`)
  }
  const isOwn = [job['runs-on']].flat().includes('self-hosted')
  if (isOwn && 'pull_request' in on) faults.push(`${name}: a pull request runs on a runner of one's own`)
  if (JSON.stringify(job).includes('secrets.')) faults.push(...faultsWithSecret(name, job, on))
  return faults
}

function faultsWithSecret(name: string, job: Job, on: Workflow['on']): string[] {
  const faults: string[] = []
  if (job.environment === undefined) faults.push(`${name}: its secret is in no protected environment`)
  if ('pull_request' in on || 'push' in on) faults.push(`${name}: a push or pull request starts it`)
  if (JSON.stringify(job.env ?? {}).includes('secrets.')) faults.push(`${name}: every step gets the secret`)
  for (const { uses, run, with: inputs } of job.steps) {
    if (uses?.startsWith('actions/checkout') && inputs?.['ref'] !== undefined)
      faults.push(`${name}: it checks out ${inputs['ref']}`)
    const taken = TAKES_FILES.exec(run ?? '')?.[0]
    if (taken !== undefined) faults.push(`${name}: it takes files of another commit: ${taken}`)
    if (/\$\{\{/.test(run ?? '')) faults.push(`${name}: an expression in a script`)
    if (uses !== undefined && JSON.stringify(inputs ?? {}).includes('secrets.'))
      faults.push(`${name}: ${uses} gets the secret`)
  }
  return faults
}

const texts = Object.fromEntries(
  await Promise.all(
    (await readdir(folder)).map(async file => [file, await readFile(join(folder, file), 'utf8')] as const),
  ),
)

test.each(Object.keys(texts))('%s keeps the rules', file => {
  expect(faultsOf(texts[file]!)).toEqual([])
})

test('two workflows hold a secret', () => {
  const secret = Object.keys(texts).filter(file => texts[file]!.includes('secrets.'))
  expect(secret).toEqual(['rebuild.yml', 'reconcile.yml'])
})

test.each<[string, string, string, string]>([
  [
    'a merge of an unreviewed branch',
    'node tools/rebuild/run.mts origin/rebuild',
    'git -c user.name=rebuild merge --squash origin/rebuild',
    'rebuild: it takes files of another commit: git -c user.name=rebuild merge',
  ],
  [
    'a checkout of its files',
    'node tools/rebuild/run.mts origin/rebuild',
    'git checkout origin/rebuild -- config',
    'rebuild: it takes files of another commit: git checkout',
  ],
  ['another ref', 'fetch-depth: 0', 'ref: rebuild', 'rebuild: it checks out rebuild'],
  ['no environment', 'environment: proxmox', 'name: x', 'rebuild: its secret is in no protected environment'],
  [
    'a tag in the place of a digest',
    'actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1',
    'actions/checkout@v7',
    'rebuild: actions/checkout@v7 is not pinned',
  ],
  ['more rights', 'contents: write', 'actions: write', 'rebuild may write actions'],
  [
    'rights of every job',
    'permissions: {}',
    'permissions: { contents: write }',
    'every job may write contents',
  ],
  [
    'an event of strangers',
    'workflow_dispatch:',
    'pull_request_target: {}\n  workflow_dispatch:',
    "pull_request_target runs with secrets for a stranger's event",
  ],
  [
    'an expression in a script',
    'node tools/rebuild/run.mts origin/rebuild',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub.
    'echo ${{ inputs.families }}',
    'rebuild: an expression in a script',
  ],
  [
    'the secret for every step',
    '    env:\n      # Outside',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: an expression of GitHub.
    '    env:\n      KEY: ${{ secrets.SOPS_AGE_KEY }}\n      # Outside',
    'rebuild: every step gets the secret',
  ],
])('%s is found', (_, from, to, fault) => {
  const before = texts['rebuild.yml']!
  expect(before).toContain(from)
  expect(faultsOf(before.replace(from, () => to))).toContain(fault)
})
