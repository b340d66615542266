import { readdir } from 'node:fs/promises'
import { loadFamily } from '../packer/family.mts'
import { checkRules, formatViolation } from '../packer/rules.mts'
import { listFamilies, loadTemplate, type Template } from '../packer/template.mts'
import { counted } from '../run/counted.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'
import type { Families } from '../templates/version.mts'

/**
 * Loads a template family and checks it by the rules.
 * @throws ProxmintError (usage) For an unknown name, (invalid) with every violation.
 */
export async function loadCheckedTemplate(os: string): Promise<Template> {
  await requireFamily(os)
  const template = await loadTemplate(os)
  const violations = checkRules(template, await loadFamily(os))
  if (violations.length === 0) return template
  const count = counted(violations.length, 'violation')
  throw new ProxmintError(
    `${template.folder}: ${count} of the template rules\n${violations.map(formatViolation).join('\n')}`,
    { hint: 'correct each as its `fix` says; nothing was built', exitCode: exitCodes.invalid },
  )
}

/**
 * Checks that packer/ or the lockfile has a family.
 * @throws ProxmintError (usage) For an unknown name, (invalid) for a folder of packer/ without a template.
 */
export async function requireFamily(family: string, families: Families = {}): Promise<void> {
  if (families[family] !== undefined) return
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
