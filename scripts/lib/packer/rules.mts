import { nearest } from '../run/nearest.mts'
import { holdsCredential, literalDefault, literalSecrets, sensitive } from './credential-rules.mts'
import type { Family } from './family.mts'
import type { AttributeNode } from './hcl-source.mts'
import { unknownAttributes } from './known-attributes.mts'
import { attributeOf, type HclValue, type SourceBlock, type Template } from './template.mts'
import type { Found, Violation } from './violation.mts'

interface Rule {
  name: string
  /** For the table in the docs: what it says, and why. */
  summary: string
  why: string
  check(template: Template): Found
}

/** Of a family: the reasons by the rule's name, and where they stand. */
type Exemptions = Pick<Family, 'file' | 'exemptions' | 'exemptionLines'>

/** The rules of the documented fixes, in the order they are reported. */
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
 * Every violation of every rule that the family is not exempt from, by file and line. An exemption that excuses
 * nothing is a violation itself: it would excuse a later mistake.
 */
export function checkRules(template: Template, family?: Exemptions): Violation[] {
  const found = rules.flatMap(rule =>
    rule.check(template).map(violation => ({ rule: rule.name, ...violation })),
  )
  const exempt = family?.exemptions ?? {}
  const stale = family === undefined ? [] : staleExemptions(family, new Set(found.map(({ rule }) => rule)))
  return [...found.filter(({ rule }) => exempt[rule] === undefined), ...stale].sort(
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
          : `exemption from ${rule}, which is no rule`,
        why: 'an exemption that excuses nothing today would excuse a mistake tomorrow',
        fix: close === undefined ? 'take the exemption away' : `write \`${close}\``,
      }
    })
}

/** One violation for a person: where and what, then why and how to mend it. */
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

/** The attribute is `var.<variable>`, and that variable reads the environment as `credentials export` sets it. */
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
  const found = (what: string, at = { file: source.file, line }): Found => [{ ...at, what, why, fix }]
  if (attribute === undefined) return found(`source ${source.name} sets no \`${name}\``)
  if (attribute.value.includes('PVEAPIToken='))
    return found(`\`${name}\` holds the full token (PVEAPIToken=...)`)
  if (attribute.value !== `var.${variable}`) return found(`\`${name}\` is not var.${variable}`)
  const declared = template.variables.find(candidate => candidate.name === variable)
  if (declared === undefined) return found(`variable ${variable} is not declared`)
  if (declared.default === `\${env("${environment}")}`) return []
  return found(`variable ${variable} does not read ${environment}`, {
    file: declared.file,
    line: declared.line,
  })
}

/** Where there is no image to clone, the family says so: a rule that cannot be broken must not look kept. */
function nothingCloned({ sources }: Template): Found {
  return sources.filter(isProxmox).flatMap(source => {
    if (isClone(source)) return []
    return [
      {
        file: source.file,
        line: source.block.line,
        what: `source ${source.name} is ${source.type}, not proxmox-clone`,
        why: 'an installation takes long and ends differently each time; a full clone of a verified image does not',
        fix: 'clone an imported image with full_clone = true, or state the exemption in family.yaml',
      },
    ]
  })
}

function fullClone({ block, file, name }: SourceBlock): Found {
  const attribute = attributeOf(block, 'full_clone')
  if (attribute?.value === 'true') return []
  return [
    {
      file,
      line: attribute?.line ?? block.line,
      what:
        attribute === undefined ? `source ${name} does not set \`full_clone\`` : '`full_clone` is not true',
      why: 'a linked clone shares its base disk: it can stop at boot with "PARTUUID does not exist. Dropping to a shell!", and ties the template to the base VM for ever',
      fix: 'full_clone = true',
    },
  ]
}

type Provisioner = Template['provisioners'][number]

/** The attribute with the command that waits for cloud-init. */
function waitingCommand({ block }: Provisioner): AttributeNode | undefined {
  const commands = attributeOf(block, 'inline')
  const waits = /cloud-init\s+status\b[^"]*(?:--wait|\s-w)\b/.test(commands?.value ?? '')
  return waits ? commands : undefined
}

function nobodyWaits({ sources, provisioners }: Template): Found {
  const source = sources.find(isProxmox)
  if (source === undefined || provisioners.some(waitingCommand)) return []
  return [
    {
      file: source.file,
      line: source.block.line,
      what: `no provisioner waits for cloud-init`,
      why: 'a build that does not wait works beside cloud-init, and does not see what it could not do',
      fix: 'a first shell provisioner with inline = ["cloud-init status --wait"] and valid_exit_codes = [0, 2], or the exemption in family.yaml',
    },
  ]
}

function validExitCodes(provisioner: Provisioner): Found {
  const { file, block, values } = provisioner
  const commands = waitingCommand(provisioner)
  if (commands === undefined) return []
  const accepted: HclValue = values['valid_exit_codes'] ?? []
  if (Array.isArray(accepted) && [0, 2].every(code => accepted.includes(code))) return []
  return [
    {
      file,
      line: attributeOf(block, 'valid_exit_codes')?.line ?? commands.line,
      what: '`cloud-init status --wait` without the exit codes 0 and 2',
      why: 'cloud-init 23.4 and newer end with 2 (degraded done) for a mere deprecation, and Proxmox writes a deprecated `user:` into its cloud-init drive',
      fix: 'valid_exit_codes = [0, 2]',
    },
  ]
}
