import { counted } from '../run/counted.mts'
import { exitCodes, formatError, messageOf } from '../run/errors.mts'
import { printJson, printText } from '../run/print.mts'
import { say } from '../run/progress.mts'
import { formatTable } from '../run/table.mts'
import type { BuildOutcome, BuildResult, BuiltVersion } from './records.mts'

/** Describes the result of one build, for a person. */
export function formatBuild(result: BuildResult): string {
  const { os, packer, commands, template, reason } = result
  const login = packer.dialect === 'modern' ? 'with the API token' : 'packaged, with a password'
  const lines = [`Packer ${packer.version} (${login}): ${packer.file}`]
  lines.push(...changeLines(result))
  if (commands.length > 0)
    return [...lines, 'would run:', ...commands.map(command => `  ${command}`)].join('\n')
  if (template === undefined) {
    const said =
      reason === undefined ? 'rules, permissions and packer validate passed' : `nothing to build: ${reason}`
    return [...lines, `${os}: ${said}`].join('\n')
  }
  const places = template.copies.map(({ vmid, node }) => `${vmid} (${result.name}) on ${node}`)
  return [
    ...lines,
    ...(reason === undefined ? [] : [`built because ${reason}`]),
    `VM template ${places.join(', ')}, in ${result.seconds.toFixed(1)} s`,
    channelLine(os, template),
    `log: ${template.log}`,
  ].join('\n')
}

/** Lists the changes, or counts them if the log of a build lists them. */
function changeLines({ changes, template }: BuildResult): string[] {
  if (changes.length === 0) return []
  if (template === undefined) {
    return ['in a copy of the template, for Packer 1.6:', ...changes.map(change => `  ${change}`)]
  }
  const what = counted(changes.length, 'setting')
  return [`left out for Packer 1.6, in a copy of the template: ${what}; the log has the list`]
}

function channelLine(os: string, { channel, test }: BuiltVersion): string {
  const tested = test === null ? 'not tested' : `${counted(test.checks.length, 'check')} passed`
  if (channel === 'current') return `it is the current version of ${os}: ${tested}`
  const flag = test === null ? ' --untested' : ''
  return `it is the candidate of ${os}, ${tested}; zx scripts/templates.mts promote ${os}${flag} makes it current`
}

/** Formats a row per family. */
function formatOutcomes(outcomes: BuildOutcome[]): string {
  return formatTable(['family', 'result', 'time', 'version'], outcomes.map(row))
}

function row(outcome: BuildOutcome): string[] {
  if ('error' in outcome) return [outcome.os, 'failed', '', messageOf(outcome.error).split('\n')[0]!]
  const { os, template, name, reason, seconds } = outcome.result
  const time = `${seconds.toFixed(1)} s`
  if (template !== undefined) return [os, template.channel, time, name]
  return reason === undefined ? [os, 'checked', time, ''] : [os, 'unchanged', time, reason]
}

/**
 * Prints the outcome of one family, or a table or document of several.
 * @returns the exit code.
 * @throws the error of a single family.
 */
export function reportBuild(outcomes: BuildOutcome[], json: boolean): number {
  const [only] = outcomes
  if (outcomes.length === 1 && only !== undefined) {
    if ('error' in only) throw only.error
    print(json ? only.result : formatBuild(only.result))
    return exitCodes.done
  }
  for (const outcome of outcomes) {
    if ('error' in outcome) say(`${outcome.os}: ${formatError(outcome.error)}`)
  }
  print(json ? { families: outcomes.map(documentOf) } : formatOutcomes(outcomes))
  return outcomes.some(outcome => 'error' in outcome) ? exitCodes.partial : exitCodes.done
}

function documentOf(outcome: BuildOutcome): object {
  return 'error' in outcome ? { os: outcome.os, error: messageOf(outcome.error) } : outcome.result
}

function print(output: string | object): void {
  if (typeof output === 'string') printText(output)
  else printJson(output)
}
