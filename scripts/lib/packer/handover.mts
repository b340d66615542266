/** Variables through which a build hands its decisions to a template. */
import type { Template } from './template.mts'
import type { Violation } from './violation.mts'

export const HANDED_OVER = ['template_vmid', 'template_name', 'build_id', 'manifest'] as const

/** Values of the variables that a build hands over. */
export type Handover = Record<(typeof HANDED_OVER)[number], string>

/** Finds the variables of the handover that a template lacks. No family is exempt. */
export function missingHandover({ files, variables }: Template): Violation[] {
  const missing = HANDED_OVER.filter(name => !variables.some(variable => variable.name === name))
  if (missing.length === 0) return []
  return [
    {
      rule: 'handover',
      file: files[0]!.path,
      line: 1,
      what: `the template declares no variable ${missing.join(', ')}`,
      why: 'a build hands over the reserved VMID, the name and the manifest in these variables',
      fix: 'declare them as packer/debian/variables.pkr.hcl does',
    },
  ]
}
