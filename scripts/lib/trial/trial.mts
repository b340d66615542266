/** Tries proxmint on the user's own Proxmox, and removes all that it made. */
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { type TimedStep, timed } from '../journey/timed-steps.mts'
import type { Answer } from '../run/answer.mts'
import { ask } from '../run/ask.mts'
import { checkpoint } from '../run/checkpoint.mts'
import { exitCodes, formatError, interrupted, ProxmintError } from '../run/errors.mts'
import { withLock } from '../run/lock.mts'
import { say } from '../run/progress.mts'
import { type Connection, connect } from '../site/connect.mts'
import { warnOfIgnored } from '../tools/passed-variables.mts'
import { removeTrial } from './clean.mts'
import { CommandFailed, endCommand, type Running, runTrialCommand } from './command.mts'
import { namesOf } from './names.mts'
import { describePlan, planTrial, type TrialFacts, type TrialPlan } from './plan.mts'
import { enterTrialProject, makeTrialProject, projectOf } from './project.mts'
import {
  beginRecord,
  dropLogs,
  dropRecord,
  keepLogs,
  readRecord,
  requireEnded,
  requireProxmoxOf,
  type TrialRecord,
  trialFolder,
} from './record.mts'
import { formatTrial, reportedFacts, type TrialFailure, type TrialReport } from './report.mts'
import { type SiteNames, scrub } from './scrub.mts'
import { stepsOf, type TrialStep } from './steps.mts'
import { surveyTrial, type TrialWishes } from './survey.mts'

/** Options of `trial`. */
interface TrialOptions extends TrialWishes {
  yes: boolean
  dryRun: boolean
}

/** A killed run loses its lock after 15 s. */
const LOCK_WAIT_MS = 20_000
const CLEAN = 'zx scripts/trial.mts --clean'

/** Tries proxmint. The report is the answer; what happens is told on standard error. */
export async function tryProxmint(options: TrialOptions, signal: AbortSignal): Promise<Answer> {
  const connection = await connect()
  const { stateDir } = connection.config
  await requireNoTrial(stateDir)
  const facts = await surveyTrial(connection, options)
  const plan = planTrial(facts)
  const lines = describePlan(plan)
  if (options.dryRun) {
    const text = [...lines, 'Nothing was made. Each trial has an id of its own.'].join('\n')
    return { document: { plan: lines }, text }
  }
  for (const line of lines) say(line)
  warnOfIgnored('terraform')
  warnOfIgnored('packer')
  await agree(options, signal)
  return withLock(lockOf(stateDir), async () => {
    const other = await readRecord(stateDir)
    if (other !== undefined) throw notCleanedUp(other)
    return runTrial(connection, plan, facts, signal)
  })
}

function lockOf(stateDir: string, waitMs = 0): { path: string; purpose: string; waitMs: number } {
  return { path: trialFolder(stateDir), purpose: 'trial', waitMs }
}

/** @throws ProxmintError (locked) while a trial runs, (failed) if one was killed and is not cleaned up. */
async function requireNoTrial(stateDir: string): Promise<void> {
  const record = await readRecord(stateDir)
  if (record === undefined) return
  await requireEnded(record, stateDir)
  throw notCleanedUp(record)
}

function notCleanedUp({ began }: TrialRecord): ProxmintError {
  return new ProxmintError(`a trial that began ${began} left something, and is not cleaned up`, {
    hint: `remove what it made: ${CLEAN}`,
  })
}

/** @throws ProxmintError (usage) if nobody can be asked, (failed) for any answer but yes. */
async function agree({ yes }: TrialOptions, signal: AbortSignal): Promise<void> {
  if (yes) return
  if (!process.stdin.isTTY) {
    throw new ProxmintError('a trial needs --yes where nobody can be asked', {
      hint: 'zx scripts/trial.mts --yes',
      exitCode: exitCodes.usage,
    })
  }
  const answer = await ask('Begin? Type yes: ', signal)
  if (answer === undefined) throw interrupted('trial; nothing was made')
  if (answer.trim().toLowerCase() !== 'yes')
    throw new ProxmintError('nothing was made: the answer was not yes', {
      hint: 'run it again and answer yes, or give --yes',
    })
}

async function runTrial(
  user: Connection,
  plan: TrialPlan,
  facts: TrialFacts,
  signal: AbortSignal,
): Promise<Answer> {
  const { stateDir } = user.config
  const names = await namesOf(user, facts)
  await dropLogs(stateDir)
  const running: Running = {
    stateDir,
    record: await beginRecord(stateDir, plan, user.credentials.url),
    signal,
  }
  checkpoint('trial-recorded')
  await makeTrialProject(stateDir, plan, facts.pool).catch(async error => {
    await dropRecord(stateDir)
    throw error
  })
  checkpoint('trial-project')
  say(`The commands below run in a project of their own: ${projectOf(stateDir)}`)
  enterTrialProject(stateDir, user.credentials)
  const own = await connect()
  const site = { proxmox: user.version.version, nodes: names.node!.length, storages: facts.storages }
  const report: TrialReport = {
    passed: false,
    facts: await reportedFacts(plan, site),
    leftOut: plan.leftOut,
    steps: [],
    failure: undefined,
    left: [],
  }
  report.failure = await takeSteps(running, own, report.steps, names)
  const logs = wasFailure(report) ? await keepLogs(stateDir) : undefined
  report.left = await cleanUp({ ...running, signal: new AbortController().signal }, own, report.steps, names)
  if (logs !== undefined) say(`the logs of this trial stay until the next one, or ${CLEAN}: ${logs}`)
  report.passed = report.failure === undefined && report.left.length === 0
  return { document: report, text: formatTrial(report), exitCode: exitCodeOf(report) }
}

/** An interruption needs no logs. */
function wasFailure({ failure }: TrialReport): boolean {
  return failure !== undefined && failure.exitCode !== exitCodes.interrupted
}

/** Takes the steps up to the first that fails. */
async function takeSteps(
  running: Running,
  connection: Connection,
  times: TimedStep[],
  names: SiteNames,
): Promise<TrialFailure | undefined> {
  for (const step of stepsOf(running.record.plan)) {
    const { key } = step
    try {
      say(`\n== ${step.name}`)
      await timed(times, step.name, () => takeStep(running, connection, step))
      checkpoint(`trial-${key}-ended`)
    } catch (error) {
      return failureOf(step, error, names)
    }
  }
  return undefined
}

async function takeStep(running: Running, connection: Connection, step: TrialStep): Promise<void> {
  if (running.signal.aborted) throw interrupted('trial')
  await step.work?.(connection, running)
  for (const typed of step.commands)
    await runTrialCommand(running, { step: step.key, quiet: step.quiet }, typed)
}

/** Tells of the failure, and keeps it for the report. */
function failureOf(step: TrialStep, error: unknown, names: SiteNames): TrialFailure {
  const isCommand = error instanceof CommandFailed
  const text = isCommand ? error.words.join('\n') : formatError(error)
  const exitCode = error instanceof ProxmintError ? error.exitCode : exitCodes.failed
  if (!isCommand) say(text)
  const isInterrupted = exitCode === exitCodes.interrupted
  const means = isInterrupted ? 'Somebody interrupted it.' : step.means
  say(`\nThe trial stops here, at: ${step.name}. ${means}`)
  return { step: step.name, exitCode, words: scrub(text, names).split('\n'), means }
}

async function cleanUp(
  running: Running,
  connection: Connection,
  times: TimedStep[],
  names: SiteNames,
): Promise<string[]> {
  const name = 'remove what it made'
  say(`\n== ${name}`)
  const left = await timed(times, name, () => removeTrial(running, connection))
  if (left.length === 0) {
    await leaveProject(running.stateDir)
    say(`== ${name}: nothing of it is left`)
    return []
  }
  for (const line of left) say(`left: ${line}`)
  say(`hint: try it again: ${CLEAN}`)
  return left.map(line => scrub(line, names))
}

/** The folder goes last: without it nobody knows what was made. */
async function leaveProject(stateDir: string): Promise<void> {
  process.chdir('/')
  await dropRecord(stateDir)
}

/** The exit code of the step that failed. A command that was called wrongly is a defect of the trial. */
function exitCodeOf({ failure, left }: TrialReport): number {
  if (failure === undefined) return left.length === 0 ? exitCodes.done : exitCodes.failed
  const { usage, partial, done } = exitCodes
  const known = Object.values(exitCodes).filter(code => ![usage, partial, done].some(one => one === code))
  return known.find(code => code === failure.exitCode) ?? exitCodes.failed
}

/** Removes what a trial made that was killed, or that could not remove all of it. */
export async function cleanTrial(signal: AbortSignal): Promise<Answer> {
  const user = await connect()
  const { stateDir } = user.config
  const found = await readRecord(stateDir)
  if (found !== undefined) await requireEnded(found, stateDir)
  await dropLogs(stateDir)
  if (found === undefined) return { document: { left: [] }, text: 'no trial has left anything' }
  requireProxmoxOf(found, stateDir, user.credentials.url)
  return withLock(lockOf(stateDir, LOCK_WAIT_MS), async () => {
    const record = (await readRecord(stateDir)) ?? found
    say(`removes what the trial of ${record.began} made, by its id ${record.plan.id}`)
    await endCommand(record)
    const left = await cleanRecorded({ stateDir, record, signal }, user)
    if (left.length > 0) throw notAllGone(left)
    return { document: { left }, text: 'nothing of the trial is left' }
  })
}

async function cleanRecorded(running: Running, user: Connection): Promise<string[]> {
  const config = join(trialFolder(running.stateDir), 'project', 'config', 'vm.yaml')
  // Nothing was made in Proxmox before the project was whole.
  const isWhole = await access(config).then(
    () => true,
    () => false,
  )
  if (isWhole) {
    enterTrialProject(running.stateDir, user.credentials)
    const left = await removeTrial(running, await connect())
    if (left.length > 0) return left
  }
  await leaveProject(running.stateDir)
  return []
}

function notAllGone(left: string[]): ProxmintError {
  return new ProxmintError(`not all of the trial is removed:\n${left.map(line => `  ${line}`).join('\n')}`, {
    hint: `run it again: ${CLEAN}. What stays then is to be deleted in Proxmox by hand`,
  })
}
