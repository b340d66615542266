/** Variables of a Packer template: those a build hands over, those a person gives, and those of the environment. */
import type { Config } from '../config/load.mts'
import type { Place } from '../packer/family.mts'
import { HANDED_OVER } from '../packer/handover.mts'
import { environmentName, expressionValue, scopeOf } from '../packer/scope.mts'
import type { Template } from '../packer/template.mts'
import { exitCodes, ProxmintError } from '../run/errors.mts'
import { didYouMean } from '../run/nearest.mts'

function isHandedOver(name: string): boolean {
  return HANDED_OVER.some(one => one === name)
}

/** @throws ProxmintError (usage) for a variable of the handover, and for one that the template does not have. */
export function requireVariables({ folder, variables }: Template, given: Record<string, string>): void {
  const names = Object.keys(given)
  const set = HANDED_OVER.find(name => names.includes(name))
  if (set !== undefined) {
    throw new ProxmintError(`${set} cannot be given: proxmint chooses it and writes it down`, {
      hint: `leave --var ${set} out`,
      exitCode: exitCodes.usage,
    })
  }
  const unknown = names.find(name => !variables.some(variable => variable.name === name))
  if (unknown === undefined) return
  const settable = variables
    .filter(({ name, sensitive }) => !sensitive && !isHandedOver(name))
    .map(({ name }) => name)
    .sort()
  throw new ProxmintError(`${folder} has no variable ${unknown}${didYouMean(unknown, settable)}`, {
    facts: { variables: settable.join(', ') },
    hint: 'they are declared in its *.pkr.hcl files',
    exitCode: exitCodes.usage,
  })
}

/** Variables of a template that bound the wait for the guest's login. */
const LOGIN_TIMEOUTS = ['ssh_timeout', 'winrm_timeout']

/** Lists the time-outs that the config decides. They are no input of a version: what is built does not depend on them. */
export function timeoutVariables(
  { variables }: Pick<Template, 'variables'>,
  { buildBootTimeoutSeconds: seconds }: Pick<Config, 'buildBootTimeoutSeconds'>,
): Record<string, string> {
  if (seconds === undefined) return {}
  const declared = LOGIN_TIMEOUTS.filter(timeout => variables.some(({ name }) => name === timeout))
  const ours = declared.filter(name => process.env[`PKR_VAR_${name}`] === undefined)
  return Object.fromEntries(ours.map(name => [name, `${seconds}s`]))
}

/**
 * Lists the values that the environment decides: `PKR_VAR_` variables, and defaults such as
 * `env("PAM_WEB3_PACKAGE_SHA256")`. Secrets and the place of the build are left out.
 */
export function environmentVariables(template: Template): Record<string, string> {
  const set = template.variables
    .filter(({ name, sensitive }) => !sensitive && !isHandedOver(name))
    .map(({ name, defaultText }) => {
      const read = environmentName(template, defaultText)
      const isOurs = read === undefined || read.startsWith('PROXMOX_')
      const value = process.env[`PKR_VAR_${name}`] ?? (isOurs ? undefined : process.env[read])
      return [name, value] as const
    })
  return Object.fromEntries(set.filter((entry): entry is [string, string] => entry[1] !== undefined))
}

/** Lists the variables of the environment that the template reads with `env("NAME")`. */
export function variablesReadBy({ variables }: Pick<Template, 'variables'>): string[] {
  return variables.flatMap(({ defaultText = '' }) =>
    [...defaultText.matchAll(/\benv\("(\w+)"\)/g)].map(([, name]) => name!),
  )
}

/**
 * Reads the VMID that a family pins by a default such as `env("TEMPLATE_VMID")`. Unset, that is 0 or empty.
 * @throws ProxmintError (usage) for a value that is not a VMID, and for a family that is built in several places.
 */
export function pinnedVmidOf(template: Template, places: Place[]): number | undefined {
  const declared = template.variables.find(({ name }) => name === 'template_vmid')?.defaultText
  const value = expressionValue(template, declared, scopeOf(template))
  if (value === undefined || value === null || value === '' || Number(value) === 0) return undefined
  const vmid = Number(value)
  if (!Number.isInteger(vmid) || vmid < 100 || vmid > 999_999_999) {
    throw new ProxmintError(`TEMPLATE_VMID is ${value}, which is no VMID`, {
      hint: 'a whole number from 100 to 999999999',
      exitCode: exitCodes.usage,
    })
  }
  if (places.length === 1) return vmid
  throw new ProxmintError(
    `TEMPLATE_VMID pins one VMID, and ${template.os} is built in ${places.length} places`,
    { hint: 'unset TEMPLATE_VMID', exitCode: exitCodes.usage },
  )
}
