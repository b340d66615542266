/** Rules about credentials in templates. */

import type { AttributeNode } from './hcl-source.mts'
import { attributeOf, type SourceBlock, type Variable } from './template.mts'
import { type Found, violation } from './violation.mts'

const CREDENTIAL_ATTRIBUTES = ['username', 'token', 'password', 'ssh_password', 'winrm_password']
const CREDENTIAL_VARIABLES = /^proxmox_(username|token|password)$|_(secret|password)$/

/** Decides by the name of the variable. */
export function holdsCredential({ name }: Variable): boolean {
  return CREDENTIAL_VARIABLES.test(name)
}

/** Rule `sensitive`, for a variable with a credential. */
export function sensitive(variable: Variable): Found {
  if (variable.sensitive) return []
  const why = 'Packer prints the value of an ordinary variable in its log'
  return violation(variable, `variable ${variable.name} is not sensitive`, why, 'sensitive = true')
}

const LITERAL_SECRET_WHY = 'everybody who ever cloned the repository knows it'

/** Rule `no-literal-secret`, for a source. */
export function literalSecrets({ block, file }: SourceBlock): Found {
  return CREDENTIAL_ATTRIBUTES.flatMap(name => {
    const attribute = attributeOf(block, name)
    if (attribute === undefined || !isLiteral(attribute)) return []
    const fix = `${name} = var.<variable>, and put a new secret into the SOPS file: this one is known`
    const place = { file, line: attribute.line }
    return violation(place, `\`${name}\` holds a literal value`, LITERAL_SECRET_WHY, fix)
  })
}

function isLiteral({ value }: AttributeNode): boolean {
  return /^"[^"]+"$/.test(value) && !value.includes('${')
}

/** Rule `no-literal-secret`, for a variable. */
export function literalDefault(variable: Variable): Found {
  const value = variable.default
  if (!holdsCredential(variable) || typeof value !== 'string' || value === '' || value.includes('${'))
    return []
  const fix = 'default = env("..."), and put a new secret into the SOPS file: this one is known'
  return violation(variable, `variable ${variable.name} has a literal default`, LITERAL_SECRET_WHY, fix)
}
