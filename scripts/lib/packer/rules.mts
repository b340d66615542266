/** Rules for templates, one for each documented mistake. */

import { nearest } from '../run/nearest.mts'
import { holdsCredential, literalDefault, literalSecrets, sensitive } from './credential-rules.mts'
import type { Family } from './family.mts'
import type { AttributeNode } from './hcl-source.mts'
import { unknownAttributes } from './known-attributes.mts'
import { attributeOf, type HclValue, type SourceBlock, type Template } from './template.mts'
import { type Found, type Violation, violation } from './violation.mts'

interface Rule {
  name: string
  /** Summary and reason, for the table in docs/templates.md. */
  summary: string
  why: string
  check(template: Template): Found
}

type Exemptions = Pick<Family, 'file' | 'exemptions' | 'exemptionLines'>

/** Rules in the order of the documentation. */
export const rules: Rule[] = [
  {
    name: 'token-format',
    summary:
      '`username` is `var.proxmox_username`, `token` is `var.proxmox_token`; they read `PROXMOX_USERNAME` and `PROXMOX_TOKEN`',
    why: 'Packer wants `user@realm!tokenid` and the bare secret; the full `PVEAPIToken=...` is refused with a 401',
    check: template => template.sources.filter(isProxmox).flatMap(source => tokenFormat(template, source)),
  },
  {
    name: 'full-clone',
    summary: 'the source is `proxmox-clone`, and sets `full_clone = true`',
    why: 'a linked clone can stop at boot: `PARTUUID ... does not exist`',
    check: template => [...nothingCloned(template), ...template.sources.filter(isClone).flatMap(fullClone)],
  },
  {
    name: 'valid-exit-codes',
    summary: 'a provisioner runs `cloud-init status --wait`, and accepts 0 and 2',
    why: 'cloud-init 23.4 and newer end with 2 for a deprecation',
    check: template => [...nobodyWaits(template), ...template.provisioners.flatMap(validExitCodes)],
  },
  {
    name: 'sensitive',
    summary: 'variables with credentials are `sensitive`',
    why: 'Packer prints the others',
    check: template => template.variables.filter(holdsCredential).flatMap(sensitive),
  },
  {
    name: 'no-literal-secret',
    summary: 'no credential stands in a template',
    why: 'whoever cloned the repository knows it',
    check: template => [
      ...template.sources.flatMap(literalSecrets),
      ...template.variables.flatMap(literalDefault),
    ],
  },
  {
    name: 'known-attribute',
    summary: 'attributes and their types are those of the plugin',
    why: 'a typo is found before Proxmox is asked',
    check: template => template.sources.flatMap(unknownAttributes),
  },
]

/**
 * Checks all rules without those that the family is exempt from. An exemption without a violation is a violation
 * itself: it would hide a later mistake.
 * @returns Violations by file and line.
 */
export function checkRules(template: Template, family: Exemptions): Violation[] {
  const found = rules.flatMap(rule =>
    rule.check(template).map(violation => ({ rule: rule.name, ...violation })),
  )
  const stale = staleExemptions(family, new Set(found.map(({ rule }) => rule)))
  return [...found.filter(({ rule }) => family.exemptions[rule] === undefined), ...stale].sort(
    (a, b) => a.file.localeCompare(b.file) || a.line - b.line,
  )
}

function staleExemptions({ file, exemptions, exemptionLines }: Exemptions, broken: Set<string>): Violation[] {
  const names = rules.map(({ name }) => name)
  return Object.keys(exemptions)
    .filter(rule => !broken.has(rule))
    .map(rule => {
      const known = names.includes(rule)
      const close = known ? undefined : nearest(rule, names)
      return {
        rule: 'exemption',
        file,
        line: exemptionLines[rule] ?? 1,
        what: known
          ? `exemption from ${rule}, which the template does not break`
          : `exemption from ${rule}, which is not a rule`,
        why: 'an exemption without a violation would hide a later mistake',
        fix: close === undefined ? 'remove the exemption' : `write \`${close}\``,
      }
    })
}

/** Text of a violation: place and fault, then the reason and the fix. */
export function formatViolation({ rule, file, line, what, why, fix }: Violation): string {
  return `${file}:${line}: ${what} [${rule}]\n    why: ${why}\n    fix: ${fix}`
}

function isProxmox(source: SourceBlock): boolean {
  return source.type.startsWith('proxmox-')
}

function isClone(source: SourceBlock): boolean {
  return source.type === 'proxmox-clone'
}

function tokenFormat(template: Template, source: SourceBlock): Found {
  return [
    ...fromVariable(template, source, 'username', 'proxmox_username', 'PROXMOX_USERNAME'),
    ...fromVariable(template, source, 'token', 'proxmox_token', 'PROXMOX_TOKEN'),
  ]
}

/** Checks that an attribute is `var.<variable>`, and that the variable reads what `credentials export` sets. */
function fromVariable(
  template: Template,
  source: SourceBlock,
  name: string,
  variable: string,
  environment: string,
): Found {
  const attribute = attributeOf(source.block, name)
  const line = attribute?.line ?? source.block.line
  const why =
    'with an API token Packer wants `username` as user@realm!tokenid and `token` as the bare secret; the full PVEAPIToken=... string is refused with a 401'
  const fix = `${name} = var.${variable}, with \`default = env("${environment}")\` in variables.pkr.hcl`
  const found = (what: string, place = { file: source.file, line }): Found => violation(place, what, why, fix)
  if (attribute === undefined) return found(`source ${source.name} sets no \`${name}\``)
  if (attribute.value.includes('PVEAPIToken='))
    return found(`\`${name}\` holds the full token (PVEAPIToken=...)`)
  if (attribute.value !== `var.${variable}`) return found(`\`${name}\` is not var.${variable}`)
  const declared = template.variables.find(candidate => candidate.name === variable)
  if (declared === undefined) return found(`variable ${variable} is not declared`)
  if (declared.default === `\${env("${environment}")}`) return []
  return found(`variable ${variable} does not read ${environment}`, declared)
}

/** Reports sources without a base VM to clone. Their family must have an exemption. */
function nothingCloned({ sources }: Template): Found {
  const why =
    'an installation takes long and ends differently each time; a full clone of a verified image does not'
  const fix = 'clone an imported image with full_clone = true, or state the exemption in family.yaml'
  return sources
    .filter(source => isProxmox(source) && !isClone(source))
    .flatMap(({ file, block: { line }, name, type }) =>
      violation({ file, line }, `source ${name} is ${type}, not proxmox-clone`, why, fix),
    )
}

function fullClone({ block, file, name }: SourceBlock): Found {
  const attribute = attributeOf(block, 'full_clone')
  if (attribute?.value === 'true') return []
  return violation(
    { file, line: attribute?.line ?? block.line },
    attribute === undefined ? `source ${name} does not set \`full_clone\`` : '`full_clone` is not true',
    'a linked clone shares its base disk: it can stop at boot with "PARTUUID does not exist. Dropping to a shell!", and ties the template to the base VM for ever',
    'full_clone = true',
  )
}

type Provisioner = Template['provisioners'][number]

/** Attribute with the command that waits for cloud-init. */
function waitingCommand({ block }: Provisioner): AttributeNode | undefined {
  const commands = attributeOf(block, 'inline')
  const waits = /cloud-init\s+status\b[^"]*(?:--wait|\s-w)\b/.test(commands?.value ?? '')
  return waits ? commands : undefined
}

function nobodyWaits({ sources, provisioners }: Template): Found {
  const source = sources.find(isProxmox)
  if (source === undefined || provisioners.some(waitingCommand)) return []
  return violation(
    { file: source.file, line: source.block.line },
    'no provisioner waits for cloud-init',
    'otherwise the build runs at the same time as cloud-init, and does not notice its failures',
    'a first shell provisioner with inline = ["cloud-init status --wait"] and valid_exit_codes = [0, 2], or an exemption in family.yaml',
  )
}

function validExitCodes(provisioner: Provisioner): Found {
  const { file, block, values } = provisioner
  const commands = waitingCommand(provisioner)
  if (commands === undefined) return []
  const accepted: HclValue = values['valid_exit_codes'] ?? []
  if (Array.isArray(accepted) && [0, 2].every(code => accepted.includes(code))) return []
  return violation(
    { file, line: attributeOf(block, 'valid_exit_codes')?.line ?? commands.line },
    '`cloud-init status --wait` without the exit codes 0 and 2',
    'cloud-init 23.4 and newer end with 2 (degraded done) for a mere deprecation, and Proxmox writes a deprecated `user:` into its cloud-init drive',
    'valid_exit_codes = [0, 2]',
  )
}
