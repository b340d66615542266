import type { Families, TemplateCopy } from './version.mts'

/** Current version of a family for Terraform, with its copies by node. */
export interface TerraformTemplate {
  version: string
  nodes: Record<string, { vmid: number; storage: string }>
}

/**
 * Variable `templates` of Terraform. A VM names `debian` and gets the VMID of the current version on its node. Families
 * without a current version, or with a revoked one, are left out, so that no new VM is created from them.
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
