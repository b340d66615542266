import type { Config } from '../config/load.mts'
import type { Template } from './template.mts'

/** Lists the values that the config decides, for a template that has such variables. */
export function configuredVariables(
  { variables }: Pick<Template, 'variables'>,
  { bridge, resourcePool }: Pick<Config, 'bridge' | 'resourcePool'>,
): Record<string, string> {
  const values = { bridge, ...(resourcePool !== undefined && { resource_pool: resourcePool }) }
  return Object.fromEntries(
    Object.entries(values).filter(([value]) => variables.some(({ name }) => name === value)),
  )
}
