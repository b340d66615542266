/** Checks of families that need no Proxmox and no credentials. */
import { listFamilies, type Template } from '../packer/template.mts'
import type { Answer } from '../run/answer.mts'
import { exitCodes, messageOf, ProxmintError } from '../run/errors.mts'
import { loadCheckedTemplate } from '../site/checked-template.mts'
import type { BuildOptions } from './records.mts'
import { requireVariables } from './variables.mts'

/** Results by the name of the family. */
type OfflineChecks = ReadonlyMap<string, PromiseSettledResult<Template>>

/** Names of the families to build; without a name all of packer/. */
export async function familyNames({ families }: Pick<BuildOptions, 'families'>): Promise<string[]> {
  return families.length > 0 ? [...new Set(families)] : listFamilies()
}

/** Loads the families, and checks rules and variables. */
export async function checkOffline(
  names: string[],
  { variables }: Pick<BuildOptions, 'variables'>,
): Promise<OfflineChecks> {
  const check = async (os: string): Promise<Template> => {
    const template = await loadCheckedTemplate(os, { variables })
    requireVariables(template, variables)
    return template
  }
  const results = await Promise.allSettled(names.map(check))
  return new Map(names.map((os, index) => [os, results[index]!]))
}

/** Checks that a family can be built. @throws ProxmintError With the faults of all families, if each has one. */
export function requireAny(names: string[], checks: OfflineChecks): void {
  const faults = faultsOf(checks)
  if (names.length > 0 && faults.length === names.length) throw joined(faults)
}

/** `build --rules-only`: checks families by the rules. @throws ProxmintError With the faults of all families. */
export async function checkRulesOnly(options: Pick<BuildOptions, 'families' | 'variables'>): Promise<Answer> {
  const names = await familyNames(options)
  const faults = faultsOf(await checkOffline(names, options))
  if (faults.length > 0) throw joined(faults)
  return {
    document: names.map(os => ({ os, violations: 0 })),
    text: names.map(os => `${os}: keeps every rule`).join('\n'),
  }
}

function faultsOf(checks: OfflineChecks): unknown[] {
  return [...checks.values()].flatMap(result => (result.status === 'rejected' ? [result.reason] : []))
}

/** One error with the messages of all. A fault of the command line counts more than one of a template. */
function joined(faults: unknown[]): unknown {
  const ours = faults.filter(fault => fault instanceof ProxmintError)
  const [first] = ours.toSorted((a, b) => a.exitCode - b.exitCode)
  if (faults.length === 1 || ours.length < faults.length || first === undefined) return first ?? faults[0]
  if (first.exitCode !== exitCodes.invalid) return first
  return new ProxmintError(faults.map(messageOf).join('\n'), { hint: first.hint, exitCode: first.exitCode })
}
