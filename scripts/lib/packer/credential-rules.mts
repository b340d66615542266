/** Rules about credentials in templates. */

import type { AttributeNode } from './hcl-source.mts'
import { attributeOf, type SourceBlock, type Variable } from './template.mts'
import type { Found } from './violation.mts'

const CREDENTIAL_ATTRIBUTES = ['username', 'token', 'password', 'ssh_password', 'winrm_password']
const CREDENTIAL_VARIABLES = /^proxmox_(username|token|password)$|_(secret|password)$/

/** Decides by the name of the variable. */
export function holdsCredential({ name }: Variable): boolean {
  return CREDENTIAL_VARIABLES.test(name)
}

/** Rule `sensitive`, for a variable with a credential. */
export function sensitive({ name, file, line, sensitive: isSensitive }: Variable): Found {
  if (isSensitive) return []
  return [
    {
      file,
      line,
      what: `variable ${name} is not sensitive`,
      why: 'Packer prints the value of an ordinary variable in its log',
      fix: 'sensitive = true',
    },
  ]
}

const LITERAL_SECRET_WHY = 'everybody who ever cloned the repository knows it'

/** Rule `no-literal-secret`, for a source. */
export function literalSecrets({ block, file }: SourceBlock): Found {
  return CREDENTIAL_ATTRIBUTES.flatMap(name => {
    const attribute = attributeOf(block, name)
    if (attribute === undefined || !isLiteral(attribute)) return []
    const fix = `${name} = var.<variable>, and put a new secret into the SOPS file: this one is known`
    return [
      { file, line: attribute.line, what: `\`${name}\` holds a literal value`, why: LITERAL_SECRET_WHY, fix },
    ]
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
  return [
    {
      file: variable.file,
      line: variable.line,
      what: `variable ${variable.name} has a literal default`,
      why: LITERAL_SECRET_WHY,
      fix: 'default = env("..."), and put a new secret into the SOPS file: this one is known',
    },
  ]
}
