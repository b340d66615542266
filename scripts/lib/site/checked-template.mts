import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadFamily } from '../packer/family.mts'
import { missingHandover } from '../packer/handover.mts'
import { checkRules, formatViolation, type RuleContext, rules } from '../packer/rules.mts'
import { listFamilies, loadTemplate, type Template } from '../packer/template.mts'
import type { Violation } from '../packer/violation.mts'
import { counted } from '../run/counted.mts'
import { exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import { ownValue } from '../run/own-value.mts'
import type { Families } from '../templates/version.mts'

/**
 * Loads a template family and checks it by the rules, without Proxmox.
 * @throws ProxmintError (usage) For an unknown name, (invalid) with every fault of `family.yaml` and every violation.
 */
export async function loadCheckedTemplate(os: string, context: RuleContext = {}): Promise<Template> {
  await requireFamily(os)
  const template = await loadTemplate(os)
  await requireRules(template, context)
  return template
}

/** Checks a template by the rules. @throws ProxmintError (invalid) With every fault. */
export async function requireRules(template: Template, context: RuleContext): Promise<void> {
  const [family] = await Promise.allSettled([loadFamily(template.os)])
  const exemptions = family.status === 'fulfilled' ? family.value : await likelyExemptions(template)
  const violations = [...missingHandover(template), ...(await checkRules(template, exemptions, context))]
  const fault: unknown = family.status === 'rejected' ? family.reason : undefined
  if (violations.length === 0) {
    if (fault !== undefined) throw fault
    return
  }
  throw broken(template, violations, fault)
}

function broken({ folder }: Template, violations: Violation[], fault: unknown): ProxmintError {
  const count = counted(violations.length, 'violation')
  const lines = [`${folder}: ${count} of the template rules`, ...violations.map(formatViolation)]
  return new ProxmintError([...lines, ...(fault === undefined ? [] : [messageOf(fault)])].join('\n'), {
    hint: 'correct each as its `fix` says; nothing was built',
    exitCode: exitCodes.invalid,
  })
}

/** Reads which rules a faulty `family.yaml` names, so that what it excuses is not reported. */
async function likelyExemptions({ folder }: Template): Promise<Parameters<typeof checkRules>[1]> {
  const file = join(folder, 'family.yaml')
  const text = await readFile(file, 'utf8').catch(() => '')
  const named = rules.map(({ name }) => name).filter(name => text.includes(`${name}:`))
  return { file, exemptions: Object.fromEntries(named.map(name => [name, 'named'])), exemptionLines: {} }
}

/**
 * Checks that packer/ or the lockfile has a family.
 * @throws ProxmintError (usage) For an unknown name, (invalid) for a folder of packer/ without a template.
 */
export async function requireFamily(family: string, families: Families = {}): Promise<void> {
  if (ownValue(families, family) !== undefined) return
  const known = [...new Set([...(await listFamilies()), ...Object.keys(families)])].sort()
  if (known.includes(family)) return
  if ((await readdir('packer')).includes(family)) throw noTemplate(family)
  throw unknownFamily(family, known)
}

function noTemplate(folder: string): ProxmintError {
  return new ProxmintError(`packer/${folder} holds no *.pkr.hcl and no *.pkr.json file`, {
    hint: 'a template family is a folder of packer/ with a template',
    exitCode: exitCodes.invalid,
  })
}

function unknownFamily(os: string, families: string[]): ProxmintError {
  return new ProxmintError(`unknown OS ${os}${didYouMean(os, families)}`, {
    facts: { known: families.join(', ') },
    hint: 'a template family is a folder of packer/',
    exitCode: exitCodes.usage,
  })
}
