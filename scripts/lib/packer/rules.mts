/** Rules for templates, one for each documented mistake. */

import { nearest } from '../run/nearest.mts'
import { holdsCredential, literalSecrets, sensitive } from './credential-rules.mts'
import type { Family } from './family.mts'
import { attributeOf } from './hcl-source.mts'
import { unknownAttributes } from './known-attributes.mts'
import { type HandedLogin, onOneProxmox, overridingTokens } from './place-rules.mts'
import { environmentName, type Given } from './scope.mts'
import {
  baseByName,
  familyName,
  fullClone,
  isClone,
  isProxmox,
  nothingCloned,
  oneSource,
} from './source-rules.mts'
import type { SourceBlock, Template } from './template.mts'
import { type Found, type Violation, violation } from './violation.mts'
import { waitsForCloudInit } from './wait-rules.mts'

/** What is known about a build when its template is checked. */
export interface RuleContext extends Given {
  /** Logins that the build hands to Packer, one per place; empty: the credentials are not known. */
  logins?: HandedLogin[]
}

interface Rule {
  name: string
  /** Summary and reason, for the table in docs/templates.md. */
  summary: string
  why: string
  check(template: Template, context: RuleContext): Found | Promise<Found>
}

type Exemptions = Pick<Family, 'file' | 'exemptions' | 'exemptionLines'>

/** Rules in the order of the documentation. */
export const rules: Rule[] = [
  {
    name: 'token-format',
    summary:
      '`username` is `var.proxmox_username`, `token` is `var.proxmox_token`; they read `PROXMOX_USERNAME` and `PROXMOX_TOKEN`, and nothing overrides them with a full token',
    why: 'Packer wants `user@realm!tokenid` and the bare secret; the full `PVEAPIToken=...` is refused with a 401',
    check: (template, context) => [
      ...template.sources.filter(isProxmox).flatMap(source => tokenFormat(template, source)),
      ...overridingTokens(template, context),
    ],
  },
  {
    name: 'one-proxmox',
    summary: 'the source has the URL, the node and the login of the credentials',
    why: 'otherwise the checks ask one Proxmox, and Packer builds on another',
    check: (template, { logins = [], ...given }) =>
      logins.flatMap(login => onOneProxmox(template, given, login)),
  },
  {
    name: 'family-name',
    summary: 'the name of the folder can be the name of a VM',
    why: 'the VM templates are named after it',
    check: familyName,
  },
  {
    name: 'one-source',
    summary: 'one source is built',
    why: 'one VMID is reserved for a build',
    check: oneSource,
  },
  {
    name: 'full-clone',
    summary: 'the source is `proxmox-clone`, and its clone is a full one',
    why: 'a linked clone can stop at boot: `PARTUUID ... does not exist`',
    check: (template, given) => [
      ...nothingCloned(template),
      ...template.sources.filter(isClone).flatMap(source => fullClone(template, source, given)),
    ],
  },
  {
    name: 'base-by-name',
    summary: '`clone_vm` names the base VM, with values that are known before the build',
    why: 'the checks look for the base VM by its name',
    check: (template, given) =>
      template.sources.filter(isClone).flatMap(source => baseByName(template, source, given)),
  },
  {
    name: 'valid-exit-codes',
    summary: 'a provisioner runs `cloud-init status --wait`, and accepts 0 and 2',
    why: 'cloud-init 23.4 and newer end with 2 for a deprecation',
    check: waitsForCloudInit,
  },
  {
    name: 'sensitive',
    summary: 'variables with credentials are `sensitive`',
    why: 'Packer prints the others',
    check: template => template.variables.filter(holdsCredential).flatMap(sensitive),
  },
  {
    name: 'no-literal-secret',
    summary: 'no credential stands in a template, and no credential of Proxmox in `*.auto.pkrvars.*`',
    why: 'whoever cloned the repository knows it',
    check: literalSecrets,
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
export async function checkRules(
  template: Template,
  family: Exemptions,
  context: RuleContext = {},
): Promise<Violation[]> {
  const checked = await Promise.all(
    rules.map(async rule => {
      const found = await rule.check(template, context)
      return found.map(violation => ({ rule: rule.name, ...violation }))
    }),
  )
  const found = [...new Map(checked.flat().map(one => [formatViolation(one), one])).values()]
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
  const expression = template.expressions.get(attribute.value)
  const isVariable = expression?.kind === 'reference' && expression.path.join('.') === `var.${variable}`
  if (!isVariable) return found(`\`${name}\` is not var.${variable}`)
  const declared = template.variables.find(candidate => candidate.name === variable)
  if (declared === undefined) return found(`variable ${variable} is not declared`)
  if (environmentName(template, declared.defaultText) === environment) return []
  return found(`variable ${variable} does not read ${environment}`, declared)
}
