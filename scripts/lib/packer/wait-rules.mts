/** Rule `valid-exit-codes`: a provisioner waits for cloud-init, and accepts its exit code 2. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { proxmoxSource } from './build-target.mts'
import type { Scope, Value } from './expression.mts'
import { type AttributeNode, attributeOf } from './hcl-source.mts'
import { attributeValue, type Given, scopeOf } from './scope.mts'
import type { Provisioner, SourceBlock, Template } from './template.mts'
import { type Found, violation } from './violation.mts'

/** Commands of one provisioner, from `inline`, `script` or `scripts`. */
interface Commands {
  /** Attribute that holds or names them. */
  attribute: AttributeNode
  text: string
  /** True if a command that fails ends the script. */
  stopsAtFailure: boolean
}

/** Checks the provisioners that run for the source of Proxmox. */
export async function waitsForCloudInit(template: Template, given: Given): Promise<Found> {
  const source = proxmoxSource(template)
  if (source === undefined) return []
  // A part that is not known, such as a variable without a default, leaves the rest of a command readable.
  const scope: Scope = { ...scopeOf(template, given), unknownText: '' }
  const mine = template.provisioners.filter(({ type, block }) => {
    return type === 'shell' && runsFor(source, template, block, scope)
  })
  const all = await Promise.all(
    mine.map(async provisioner => ({
      provisioner,
      commands: await commandsOf(template, provisioner, scope),
    })),
  )
  const waiting = all.flatMap(({ provisioner, commands }) =>
    commands.filter(({ text }) => waits(text)).map(command => ({ provisioner, command })),
  )
  if (waiting.length === 0) return nobodyWaits(source)
  return waiting.flatMap(({ provisioner, command }) => exitCodes(template, provisioner, command, scope))
}

/** True if `only` and `except` let a provisioner run for a source. */
function runsFor(
  source: SourceBlock,
  template: Template,
  block: Provisioner['block'],
  scope: Scope,
): boolean {
  const names = [`${source.type}.${source.name}`, source.name]
  const lists = (name: string): boolean | undefined => {
    const list = attributeValue(template, block, name, scope)
    return Array.isArray(list) ? names.some(one => list.includes(one)) : undefined
  }
  return lists('only') !== false && lists('except') !== true
}

function nobodyWaits({ file, block }: SourceBlock): Found {
  return violation(
    { file, line: block.line },
    'no provisioner waits for cloud-init',
    'otherwise the build runs at the same time as cloud-init, and does not notice its failures',
    'a first shell provisioner with inline = ["cloud-init status --wait"] and valid_exit_codes = [0, 2], or an exemption in family.yaml',
  )
}

function exitCodes(
  template: Template,
  { file, block }: Provisioner,
  commands: Commands,
  scope: Scope,
): Found {
  const attribute = attributeOf(block, 'valid_exit_codes')
  const accepted = attributeValue(template, block, 'valid_exit_codes', scope)
  const isUnknown = attribute !== undefined && !Array.isArray(accepted)
  if (isUnknown || accepts(accepted) || toleratesTwo(commands)) return []
  return violation(
    { file, line: attribute?.line ?? commands.attribute.line },
    '`cloud-init status --wait` without the exit codes 0 and 2',
    'cloud-init 23.4 and newer end with 2 (degraded done) for a mere deprecation, and Proxmox writes a deprecated `user:` into its cloud-init drive',
    'valid_exit_codes = [0, 2]',
  )
}

/** Packer converts texts to numbers. */
function accepts(codes: Value | undefined): boolean {
  return Array.isArray(codes) && [0, 2].every(code => codes.map(Number).includes(code))
}

async function commandsOf(template: Template, { block }: Provisioner, scope: Scope): Promise<Commands[]> {
  const found = ['inline', 'script', 'scripts'].map(async (name): Promise<Commands[]> => {
    const attribute = attributeOf(block, name)
    const value = attributeValue(template, block, name, scope)
    const items = (Array.isArray(value) ? value : [value]).filter(item => typeof item === 'string')
    if (attribute === undefined) return []
    // Packer runs `inline` with `sh -e`.
    if (name === 'inline') return [{ attribute, text: items.join('\n'), stopsAtFailure: true }]
    const texts = await Promise.all(items.map(path => readScript(resolve(template.folder, path))))
    const isCalledWithE = /\b(ba|da)?sh -\w*e/.test(attributeOf(block, 'execute_command')?.value ?? '')
    return texts.map(text => ({ attribute, text, stopsAtFailure: isCalledWithE || setsE(text) }))
  })
  return (await Promise.all(found)).flat()
}

/** Text of a script; empty if it cannot be read, which Packer reports. */
async function readScript(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

function setsE(text: string): boolean {
  return /^#!\S+(?: \S+)* -\w*e|^\s*set -\w*e/m.test(text)
}

const STATUS_WAIT = /\bcloud-init\s+status\b[^|;&\n]*?(?:--wait|\s-w)\b/

/** Loops until the file is there that cloud-init writes at its end. */
const BOOT_FINISHED = /\b(?:while|until)\b[^;\n]*\bboot-finished\b/

function waits(text: string): boolean {
  const commands = withoutWords(text)
  return STATUS_WAIT.test(commands) || BOOT_FINISHED.test(commands)
}

/** Removes comments, and what is only printed. */
function withoutWords(text: string): string {
  return text
    .replaceAll(/(^|\s)#.*$/gm, '$1')
    .replaceAll(/\b(?:echo|printf|logger)\s+(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^;&|\n"'])*/g, '')
}

/** True if the script itself goes on after the exit code 2. */
function toleratesTwo({ text, stopsAtFailure }: Commands): boolean {
  const lines = withoutWords(text)
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
  const waiting = lines.filter(line => STATUS_WAIT.test(line))
  if (waiting.every(isHandled)) return true
  return !stopsAtFailure && !STATUS_WAIT.test(lines.at(-1) ?? '')
}

/** True for `... || true`, `... || [ $? -eq 2 ]` and `if cloud-init status --wait`. */
function isHandled(line: string): boolean {
  const [before = '', after = ''] = line.split(STATUS_WAIT)
  if (/\b(?:if|while|until|!)\s[^;]*$/.test(before)) return true
  return /^[^|;&]*\|\|(?!\s*(?:exit|false|return)\b)/.test(after)
}
