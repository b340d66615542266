import { readdir, readFile, rm } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { projectRoot } from '../config/load.mts'
import { listFamilies } from '../packer/template.mts'
import type { Answer } from '../run/answer.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { usageError } from '../run/command-line.mts'
import { counted } from '../run/counted.mts'
import { ProxmintError } from '../run/errors.mts'
import { type CommandPlan, describeCommand, runCommand } from '../run/exec.mts'
import { didYouMean } from '../run/nearest.mts'

export const timerVerbs = ['install', 'remove', 'show'] as const
type TimerVerb = (typeof timerVerbs)[number]

/** Whose systemd: the user's own, or the machine's. */
type Manager = 'user' | 'system'

/** What the files of `systemd/` are filled in with. */
interface UnitSettings {
  manager: Manager
  /** Root of the project, absolute. */
  folder: string
  /** Who runs it, where the machine's systemd does. */
  user: string
  /** Template families that are built anew. */
  families: string[]
}

interface UnitFile {
  path: string
  text: string
}

/** What is written or removed, and then run. */
interface TimerPlan {
  files: UnitFile[]
  commands: CommandPlan[]
}

const sources = new URL('../../../systemd/', import.meta.url)
const systemPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Every unit, filled in. @throws Error for a place that nothing fills. */
export async function renderUnits(settings: UnitSettings): Promise<UnitFile[]> {
  const names = (await readdir(sources)).filter(name => /\.(service|timer)$/.test(name)).sort()
  return Promise.all(
    names.map(async name => {
      const text = await readFile(new URL(name, sources), 'utf8')
      return { path: join(unitFolder(settings.manager), name), text: fillIn(text, settings) }
    }),
  )
}

function unitFolder(manager: Manager, env: NodeJS.ProcessEnv = process.env): string {
  if (manager === 'system') return '/etc/systemd/system'
  return join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'systemd', 'user')
}

/** A percent sign begins a specifier of systemd's; in quotes, backslash and quote are escaped as well. */
function fillIn(text: string, { manager, folder, user, families }: UnitSettings): string {
  const plain = (value: string): string => value.replaceAll('%', '%%')
  const quoted = (value: string): string => plain(value).replaceAll(/["\\]/g, sign => `\\${sign}`)
  const values: Record<string, string> = {
    USER: plain(user),
    FOLDER: plain(folder),
    PATH: quoted([join(folder, 'node_modules/.bin'), systemPath].join(delimiter)),
    FAMILIES: families.join(' '),
  }
  // The systemd of a user knows neither another user nor when the machine is online.
  const ours = manager === 'system' ? text : text.replaceAll(/^(User|Wants|After)=.*\n/gm, '')
  return ours.replaceAll(/@([A-Z]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`systemd/: nothing fills @${name}@`)
    return value
  })
}

/** What a verb does; pure. */
export function planTimers(verb: 'install' | 'remove', manager: Manager, files: UnitFile[]): TimerPlan {
  const timers = files.map(({ path }) => path.split('/').at(-1)!).filter(name => name.endsWith('.timer'))
  const systemctl = (...args: string[]): CommandPlan => ({
    file: 'systemctl',
    args: [...(manager === 'user' ? ['--user'] : []), ...args],
  })
  const reload = systemctl('daemon-reload')
  return verb === 'install'
    ? { files, commands: [reload, systemctl('enable', '--now', ...timers)] }
    : { files, commands: [systemctl('disable', '--now', ...timers), reload] }
}

interface TimerOptions {
  manager: Manager
  families: string[]
  dryRun: boolean
}

/** Installs the timers, removes them, or shows what would be installed. */
export async function timersCommand(verb: TimerVerb, options: TimerOptions): Promise<Answer> {
  const { manager, families, dryRun } = options
  // A family that is gone since must not keep its timer.
  if (verb !== 'remove') await requireFamilies(families)
  const user = process.env['SUDO_USER'] ?? userInfo().username
  const units = await renderUnits({ manager, folder: projectRoot(), user, families })
  const paths = units.map(({ path }) => path)
  if (verb === 'show') return { document: units, text: units.map(formatUnit).join('\n') }
  const plan = planTimers(verb, manager, units)
  if (dryRun) {
    const commands = plan.commands.map(describeCommand)
    const did = verb === 'install' ? 'write' : 'remove'
    return {
      document: { plan: { [did]: paths, run: commands } },
      text: [
        `would ${did}:`,
        ...paths.map(path => `  ${path}`),
        'and run:',
        ...commands.map(c => `  ${c}`),
      ].join('\n'),
    }
  }
  await (verb === 'install' ? install(plan) : remove(plan))
  const next =
    verb === 'install'
      ? `\nthey are listed by: systemctl ${manager === 'user' ? '--user ' : ''}list-timers`
      : ''
  return {
    document: { [verb === 'install' ? 'installed' : 'removed']: paths },
    text: `${verb === 'install' ? 'installed' : 'removed'} ${counted(paths.length, 'unit')}${next}`,
  }
}

function formatUnit({ path, text }: UnitFile): string {
  return `# ${path}\n${text}`
}

async function requireFamilies(families: string[]): Promise<void> {
  const known = await listFamilies()
  const unknown = families.find(os => !known.includes(os))
  if (unknown === undefined) return
  throw usageError({ name: 'schedule' }, `unknown OS ${unknown}${didYouMean(unknown, known)}`)
}

async function install({ files, commands }: TimerPlan): Promise<void> {
  for (const { path, text } of files) await writeFileAtomic(path, text)
  for (const command of commands) await systemctl(command)
}

/** First they are stopped: systemd forgets a unit whose file is gone, and not its timer. */
async function remove({ files, commands: [stop, reload] }: TimerPlan): Promise<void> {
  await systemctl(stop!)
  for (const { path } of files) await rm(path, { force: true })
  await systemctl(reload!)
}

async function systemctl(command: CommandPlan): Promise<void> {
  const { code, stderr } = await runCommand(command)
  if (code === 0) return
  const isUser = command.args[0] === '--user'
  throw new ProxmintError(`\`${describeCommand(command)}\` failed: ${stderr.trim().split('\n').at(-1)}`, {
    hint: isUser
      ? "a user's systemd runs while they are logged in: `loginctl enable-linger`, or --system"
      : 'as root: sudo; without systemd, docs/schedule.md has a crontab',
  })
}
