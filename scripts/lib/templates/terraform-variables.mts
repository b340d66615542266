import type { Families, TemplateCopy } from './version.mts'

/** What Terraform knows of a family: the copies of its current version by node. */
export interface TerraformTemplate {
  version: string
  nodes: Record<string, { vmid: number; storage: string }>
}

/**
 * Terraform's variable `templates`: a VM says `debian` and gets the current version's VMID on its node. A
 * family without a current version, or with a revoked one, is left out: no new VM comes from it.
 */
export function terraformVariables(families: Families): { templates: Record<string, TerraformTemplate> } {
  const templates: Record<string, TerraformTemplate> = {}
  for (const os of Object.keys(families).sort()) {
    const { current } = families[os]!
    if (current === null || current.revoked !== undefined) continue
    templates[os] = { version: current.name, nodes: nodesOf(current.copies) }
  }
  return { templates }
}

function nodesOf(copies: TemplateCopy[]): TerraformTemplate['nodes'] {
  return Object.fromEntries(copies.map(({ node, vmid, storage }) => [node, { vmid, storage }]))
}
