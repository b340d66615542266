/** Verbs of `templates`. */

import type { Answer } from '../run/answer.mts'
import { type Arguments, usageError, wordAfterVerb } from '../run/command-line.mts'
import { durationMs } from '../run/duration.mts'
import { exitCodes } from '../run/errors.mts'
import { connect } from '../site/connect.mts'
import { familyIn } from '../templates/channels.mts'
import { lockfilePath, readLockfile } from '../templates/lockfile.mts'
import type { Families } from '../templates/version.mts'
import { diffVersions, formatDiff } from './diff.mts'
import { formatVersions, listForTerraform, listVersions } from './list.mts'
import { promoteFamily, revokeVersion, rollbackFamily } from './promote.mts'

const name = 'templates'

type Verb = (args: Arguments, signal: AbortSignal) => Promise<Answer>

const byVerb: Record<string, Verb> = {
  async list(args) {
    if (args.flag('terraform')) {
      const document = await listForTerraform()
      return { document, text: JSON.stringify(document, null, 2) }
    }
    const versions = await listVersions(args.positionals[1])
    return { document: versions, text: formatVersions(versions) }
  },
  async promote(args) {
    const os = wordAfterVerb({ name }, args, 'a family')
    return channelsOf(os, await promoteFamily(os, args.flag('untested')))
  },
  async rollback(args) {
    const os = wordAfterVerb({ name }, args, 'a family')
    return channelsOf(os, await rollbackFamily(os))
  },
  async revoke(args) {
    const version = wordAfterVerb({ name }, args, 'a version')
    const reason = args.string('reason')
    if (reason === undefined)
      throw usageError({ name }, 'revoke needs --reason, which users of the version will see')
    const families = await revokeVersion(version, reason)
    const [os] = Object.entries(families).find(([, family]) => family.current?.name === version) ?? []
    const next =
      os === undefined ? '' : `; it is the current version: zx scripts/templates.mts rollback ${os}`
    return { document: { version, reason }, text: `${version} is revoked${next}` }
  },
  async diff(args) {
    const os = wordAfterVerb({ name }, args, 'a family')
    const [, , from = 'previous', to = 'current'] = args.positionals
    const diff = await diffVersions(os, from, to)
    return { document: diff, text: formatDiff(diff) }
  },
  async test(args, signal) {
    const { formatAcceptance, testTemplate } = await import('../acceptance/test-template.mts')
    const report = await testTemplate(wordAfterVerb({ name }, args, 'a family or a VMID'), signal)
    const exitCode = report.passed ? exitCodes.done : exitCodes.failed
    return { document: report, text: formatAcceptance(report), exitCode }
  },
  async prune(args, signal) {
    const { formatPrune, pruneTemplates } = await import('./prune.mts')
    const options = {
      families: args.positionals.slice(1),
      keep: args.integer('keep', { min: 1, max: 1000 })!,
      minAgeMs: durationMs({ name }, 'min-age', args.string('min-age'))!,
      dryRun: args.flag('dry-run'),
    }
    const known = await readLockfile(lockfilePath())
    for (const os of options.families) familyIn(known, os)
    const report = await pruneTemplates(await connect(), options, signal)
    return { document: report, text: formatPrune(report) }
  },
}

export function templatesCommand(args: Arguments, signal: AbortSignal): Promise<Answer> {
  return byVerb[args.verb]!(args, signal)
}

function channelsOf(os: string, families: Families): Answer {
  const { current, previous, candidate } = families[os]!
  const document = {
    os,
    current: current?.name ?? null,
    previous: previous?.name ?? null,
    candidate: candidate?.name ?? null,
  }
  const text = `${os}: current ${document.current ?? 'none'}, previous ${document.previous ?? 'none'}`
  return { document, text }
}
