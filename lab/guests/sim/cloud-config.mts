/** Translates user-data of cloud-init to steps of the guest's boot scripts. */

import { gunzipSync } from 'node:zlib'
import { parse } from 'yaml'
import { type Step, step, stepWithInput } from './shell.mts'
import { planUsers, type UserKeys } from './users.mts'

/** Steps by the time at which cloud-init runs them. */
export interface UserDataPlan {
  everyBoot: Step[]
  /** Steps that run once per instance, before sshd starts. */
  init: Step[]
  /** Steps that run once per instance, after sshd has started. */
  final: Step[]
  /** Last steps. */
  power: Step[]
  problems: Problem[]
}

/** A recoverable error, with the log level under which `cloud-init status` lists it. */
interface Problem {
  level: 'DEPRECATED' | 'WARNING'
  message: string
}

interface WriteFile {
  path?: string
  content?: string
  encoding?: string
  owner?: string
  permissions?: string | number
  append?: boolean
  defer?: boolean
}

type Commands = (string | string[])[]

interface CloudConfig extends UserKeys {
  hostname?: string
  fqdn?: string
  preserve_hostname?: boolean
  manage_etc_hosts?: boolean | string
  timezone?: string
  bootcmd?: Commands
  runcmd?: Commands
  write_files?: WriteFile[]
  package_update?: boolean
  apt_update?: boolean
  package_upgrade?: boolean
  apt_upgrade?: boolean
  packages?: (string | string[])[]
  power_state?: { mode?: string; delay?: string | number; condition?: boolean | string | string[] }
  ssh_deletekeys?: boolean
}

const MODELLED = [
  'hostname fqdn preserve_hostname manage_etc_hosts timezone bootcmd runcmd write_files package_update',
  'apt_update package_upgrade apt_upgrade packages power_state ssh_deletekeys user users password chpasswd',
  'ssh_pwauth ssh_authorized_keys disable_root groups',
].flatMap(line => line.split(' '))

/** Valid keys that have no effect in the lab. */
const ACCEPTED = [
  'apt apt_pipelining apt_reboot_if_required ca_certs datasource datasource_list disable_root_opts',
  'disk_setup final_message fs_setup growpart keyboard locale merge_how mounts no_ssh_fingerprints ntp',
  'output package_reboot_if_required phone_home preserve_hostname prefer_fqdn_over_hostname random_seed',
  'resize_rootfs rsyslog snap ssh ssh_fp_console_blacklist ssh_genkeytypes ssh_import_id ssh_keys',
  'ssh_quiet_keygen swap system_info vendor_data version',
].flatMap(line => line.split(' '))

const DEPRECATED_KEYS: Record<string, string> = {
  user: "Use of 'user' is deprecated. Use 'users' instead.",
  apt_update: 'Deprecated in version 22.2. Use **package_update** instead.',
  apt_upgrade: 'Deprecated in version 22.2. Use **package_upgrade** instead.',
}

/** Translates user-data: a cloud-config, a script, or nothing. Reports other kinds as a problem, like cloud-init. */
export function planUserData(text: string, hostNameDefault: string | undefined): UserDataPlan {
  const start = text.trimStart()
  if (start === '') return planCloudConfig({}, hostNameDefault)
  if (start.startsWith('#!')) return withScript(planCloudConfig({}, hostNameDefault), text)
  if (start.startsWith('#cloud-config')) return parseCloudConfig(text, hostNameDefault)
  const kind = start.split('\n', 1)[0]!.slice(0, 40)
  const warning = `Unhandled non-multipart (text/x-not-multipart) userdata: '${kind}...'`
  return withProblem(planCloudConfig({}, hostNameDefault), warning)
}

function parseCloudConfig(text: string, hostNameDefault: string | undefined): UserDataPlan {
  try {
    const config = (parse(text, { version: '1.1' }) ?? {}) as CloudConfig
    return planCloudConfig(config, hostNameDefault)
  } catch (error) {
    const reason = (error as Error).message.split('\n', 1)[0]
    return withProblem(planCloudConfig({}, hostNameDefault), `Failed loading yaml blob. ${reason}`)
  }
}

function planCloudConfig(config: CloudConfig, hostNameDefault: string | undefined): UserDataPlan {
  const users = planUsers(config)
  return {
    everyBoot: [...planHostName(config, hostNameDefault), ...planScript(config.bootcmd, 'run_boot_commands')],
    init: [
      ...planFiles(config.write_files, false),
      step(config.ssh_deletekeys === false ? 'missing_host_keys' : 'new_host_keys'),
      ...users,
      ...(config.timezone ? [step('set_time_zone', config.timezone)] : []),
    ],
    final: [
      ...planPackages(config),
      ...planFiles(config.write_files, true),
      ...planScript(config.runcmd, 'run_script', 'runcmd'),
    ],
    power: planPower(config.power_state),
    problems: findProblems(config),
  }
}

function withScript(plan: UserDataPlan, script: string): UserDataPlan {
  return { ...plan, final: [...plan.final, stepWithInput(script, 'run_script', 'part-001')] }
}

function withProblem(plan: UserDataPlan, message: string): UserDataPlan {
  return { ...plan, problems: [...plan.problems, { level: 'WARNING', message }] }
}

function planHostName(config: CloudConfig, fallback: string | undefined): Step[] {
  const name = config.hostname ?? config.fqdn?.split('.')[0] ?? fallback
  if (!name || config.preserve_hostname) return []
  const steps = [step('set_host_name', name)]
  if (config.manage_etc_hosts) steps.push(step('manage_hosts_file', name, config.fqdn ?? name))
  return steps
}

function planFiles(files: WriteFile[] | undefined, deferred: boolean): Step[] {
  return (files ?? [])
    .filter(file => file.path && (file.defer ?? false) === deferred)
    .map(file => {
      const mode = modeOf(file.permissions ?? '0644')
      const owner = file.owner ?? 'root:root'
      return stepWithInput(fileContent(file), 'write_file', file.path!, owner, mode, file.append ? '1' : '0')
    })
}

function fileContent({ content = '', encoding = 'text/plain' }: WriteFile): Buffer {
  const isBase64 = /b64|base64/.test(encoding)
  const bytes = Buffer.from(content, isBase64 ? 'base64' : 'utf8')
  return /^gz/.test(encoding) ? gunzipSync(bytes) : bytes
}

function planPackages(config: CloudConfig): Step[] {
  const packages = (config.packages ?? []).map(item => (Array.isArray(item) ? item.join('=') : item))
  const upgrade = config.package_upgrade ?? config.apt_upgrade ?? false
  const update = config.package_update ?? config.apt_update ?? false
  const steps: Step[] = []
  if (update || upgrade || packages.length > 0) steps.push(step('package_index'))
  if (upgrade) steps.push(step('package_upgrade'))
  if (packages.length > 0) steps.push(step('package_install', ...packages))
  return steps
}

/** Writes commands into one script. A string is a line for the shell, a list is a command with quoted words. */
function planScript(commands: Commands | undefined, ...call: Step['call']): Step[] {
  if (!commands?.length) return []
  const word = (text: string): string => `'${String(text).replaceAll("'", "'\\''")}'`
  const lines = commands.map(command =>
    Array.isArray(command) ? command.map(word).join(' ') : String(command),
  )
  return [stepWithInput(`#!/bin/sh\n${lines.join('\n')}\n`, ...call)]
}

/** Plans `power_state`. Its condition is a shell command or a list of words, which the guest runs at the end. */
function planPower(power: CloudConfig['power_state']): Step[] {
  if (!power?.mode || power.condition === false) return []
  const condition = power.condition === undefined || power.condition === true ? 'true' : power.condition
  const delay = String(power.delay ?? 'now')
  const call = step('power_state', power.mode, /^\d+$/.test(delay) ? `+${delay}` : delay).call
  return planScript([condition], ...call)
}

function findProblems(config: CloudConfig): Problem[] {
  const problems: Problem[] = []
  for (const key of Object.keys(config)) {
    const deprecation = DEPRECATED_KEYS[key]
    if (deprecation) {
      const message = `Deprecated cloud-config provided: ${key}: ${deprecation}`
      problems.push({ level: 'DEPRECATED', message })
    } else if (!MODELLED.includes(key) && !ACCEPTED.includes(key)) {
      const message = `Invalid cloud-config provided: Additional properties are not allowed ('${key}' was unexpected)`
      problems.push({ level: 'WARNING', message })
    }
  }
  return problems
}

/** Reads a mode as cloud-init does: a number is the mode itself, a text is octal digits. */
function modeOf(permissions: string | number): string {
  return typeof permissions === 'number' ? permissions.toString(8) : permissions.replace(/^0o/, '')
}
