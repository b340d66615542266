/** Timers of systemd for the regular work: `schedule install`, `remove` and `show`. */
import { readdir, readFile, realpath, rm } from 'node:fs/promises'
import { homedir, userInfo } from 'node:os'
import { basename, delimiter, dirname, join } from 'node:path'
import { loadConfig, projectRoot } from '../config/load.mts'
import { listFamilies } from '../packer/template.mts'
import type { Answer } from '../run/answer.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { usageError } from '../run/command-line.mts'
import { counted } from '../run/counted.mts'
import { messageOf, ProxmintError } from '../run/errors.mts'
import { type CommandPlan, describeCommand, runCommand } from '../run/exec.mts'
import { ifThere } from '../run/if-there.mts'
import { didYouMean } from '../run/nearest.mts'

type TimerVerb = 'install' | 'remove' | 'show'

/** systemd of the user, or of the machine. */
type Manager = 'user' | 'system'

/** Values for the files of `systemd/`. */
interface UnitSettings {
  manager: Manager
  /** Absolute path of the project's root. */
  folder: string
  /** User that runs the services under the machine's systemd. */
  user: string
  /** Template families to build. */
  families: string[]
  /** Absolute paths that the services write to besides `folder`, such as a state folder on another disk. */
  writable: string[]
}

interface UnitFile {
  path: string
  text: string
}

/** Files to write or remove, and commands to run. */
interface TimerPlan {
  files: UnitFile[]
  commands: CommandPlan[]
}

const SOURCES = new URL('../../../systemd/', import.meta.url)
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Reads every unit and fills in its values. @throws Error for a placeholder without a value. */
export async function renderUnits(settings: UnitSettings): Promise<UnitFile[]> {
  const names = (await readdir(SOURCES)).filter(name => /\.(service|timer)$/.test(name)).sort()
  return Promise.all(
    names.map(async name => {
      const text = await readFile(new URL(name, SOURCES), 'utf8')
      return { path: join(unitFolder(settings.manager), name), text: fillIn(text, settings) }
    }),
  )
}

function unitFolder(manager: Manager): string {
  if (manager === 'system') return '/etc/systemd/system'
  return join(process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'systemd', 'user')
}

/** Fills in a unit. systemd reads a percent sign as a specifier, so it is doubled; in quotes, backslash and quote are escaped. */
function fillIn(text: string, { manager, folder, user, families, writable }: UnitSettings): string {
  const plain = (value: string): string => value.replaceAll('%', '%%')
  const quoted = (value: string): string => plain(value).replaceAll(/["\\]/g, sign => `\\${sign}`)
  const values: Record<string, string> = {
    USER: plain(user),
    FOLDER: plain(folder),
    PATH: quoted([join(folder, 'node_modules/.bin'), SYSTEM_PATH].join(delimiter)),
    FAMILIES: families.join(' '),
    // The dash: a path that is not there is left out.
    WRITABLE: [folder, ...writable].map(path => `"-${quoted(path)}"`).join(' '),
    JOURNAL: manager === 'user' ? '--user ' : '',
  }
  const ours = manager === 'system' ? text : forUser(text)
  return ours.replaceAll(/@([A-Z]+)@/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`systemd/: nothing fills @${name}@`)
    return value
  })
}

/**
 * Leaves out what the systemd of a user cannot do: change the user, know when the machine is online, and, on machines
 * without user namespaces, give a service another view of the files.
 */
function forUser(text: string): string {
  return text.replaceAll(/^(User|Wants|After)=.*\n/gm, '').replace(/^# From here on [\s\S]*/m, '')
}

/** Plans the files and commands of a verb; pure. */
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

/** Installs the timers, removes them, or shows the units that `install` would write. */
export async function timersCommand(verb: TimerVerb, options: TimerOptions): Promise<Answer> {
  const { manager, families, dryRun } = options
  // `remove` must also work for a family that was deleted.
  if (verb !== 'remove') await requireFamilies(families)
  const user = process.env['SUDO_USER'] ?? userInfo().username
  const writable = await writablePaths(user)
  const units = await renderUnits({ manager, folder: projectRoot(), user, families, writable })
  const paths = units.map(({ path }) => path)
  if (verb === 'show') return { document: units, text: units.map(formatUnit).join('\n') }
  const plan = planTimers(verb, manager, units)
  if (dryRun) {
    const commands = plan.commands.map(describeCommand)
    const action = verb === 'install' ? 'write' : 'remove'
    const indented = (lines: string[]): string[] => lines.map(line => `  ${line}`)
    const text = [`would ${action}:`, ...indented(paths), 'and run:', ...indented(commands)].join('\n')
    return { document: { plan: { [action]: paths, run: commands } }, text }
  }
  const warning = verb === 'install' ? await install(plan) : await remove(plan)
  const count = counted(paths.length, 'unit')
  if (verb === 'remove')
    return { document: { removed: paths }, text: [`removed ${count}`, ...warning].join('\n') }
  const list = `systemctl ${manager === 'user' ? '--user ' : ''}list-timers`
  return { document: { installed: paths }, text: `installed ${count}\nto list the timers: ${list}` }
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

/** Asks systemd first. If it does not answer or refuses the units, those of an earlier installation stay, and no others. */
async function install({ files, commands: [reload, enable] }: TimerPlan): Promise<string[]> {
  await systemctl(reload!)
  const former = await installedAmong(files)
  try {
    for (const { path, text } of files) await writeFileAtomic(path, text)
    await systemctl(reload!)
    await systemctl(enable!)
  } catch (error) {
    await removeFiles(files.filter(({ path }) => !former.some(one => one.path === path)))
    for (const { path, text } of former) await writeFileAtomic(path, text)
    await runCommand(reload!).catch(() => undefined)
    throw error
  }
  return []
}

/** Reads the units that are installed already. */
async function installedAmong(files: UnitFile[]): Promise<UnitFile[]> {
  const found = files.map(async ({ path }) => ({ path, text: await ifThere(readFile(path, 'utf8')) }))
  return (await Promise.all(found)).flatMap(({ path, text }) => (text === undefined ? [] : [{ path, text }]))
}

/**
 * Stops the timers before it removes their files: without its file, systemd forgets a unit but not its timer.
 * @returns A warning where systemd did not answer. The files are removed then as well.
 */
async function remove({ files, commands: [stop, reload] }: TimerPlan): Promise<string[]> {
  const failure = await systemctl(stop!).then(() => undefined, messageOf)
  await removeFiles(files)
  if (failure === undefined) {
    await systemctl(reload!)
    return []
  }
  return [
    `warning: ${failure}`,
    'if systemd runs their timers at this moment, it does so until it starts again',
  ]
}

/** Removes units, and the links by which systemd had enabled their timers. */
async function removeFiles(files: UnitFile[]): Promise<void> {
  for (const { path } of files) {
    await rm(join(dirname(path), 'timers.target.wants', basename(path)), { force: true })
    await rm(path, { force: true })
  }
}

/** State folder, where it is not in the project, and the folders where tools keep what they downloaded. */
async function writablePaths(user: string): Promise<string[]> {
  const state = await loadConfig().then(
    ({ stateDir }) => realpath(stateDir).catch(() => stateDir),
    () => undefined,
  )
  const home = await homeOf(user)
  const caches = [process.env['XDG_CACHE_HOME'] || join(home, '.cache'), join(home, '.config/packer')]
  return [...(state === undefined || state.startsWith(`${projectRoot()}/`) ? [] : [state]), ...caches]
}

/** Home folder of the user that runs the services. Under sudo, that of this process is root's. */
async function homeOf(user: string): Promise<string> {
  if (user === userInfo().username) return homedir()
  const { stdout } = await runCommand({ file: 'getent', args: ['passwd', user] })
  return stdout.split(':')[5] ?? homedir()
}

/** @throws ProxmintError Also if there is no systemctl. */
async function systemctl(command: CommandPlan): Promise<void> {
  const { code, stderr } = await runCommand(command)
  if (code === 0) return
  const isUser = command.args[0] === '--user'
  throw new ProxmintError(`\`${describeCommand(command)}\` failed: ${stderr.trim().split('\n').at(-1)}`, {
    hint: isUser
      ? 'the systemd of a user runs only during their login: `loginctl enable-linger`, or --system'
      : 'run it as root: sudo; for a machine without systemd, docs/schedule.md has a crontab',
  })
}
