import type { AttributeNode } from './hcl-source.mts'
import { attributeOf, type SourceBlock, type Variable } from './template.mts'
import type { Found } from './violation.mts'

const credentialAttributes = ['username', 'token', 'password', 'ssh_password', 'winrm_password']
const credentialVariables = /^proxmox_(username|token|password)$|_(secret|password)$/

/** By its name. */
export function holdsCredential({ name }: Variable): boolean {
  return credentialVariables.test(name)
}

/** The rule `sensitive`, for a variable that holds a credential. */
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

const literalSecretWhy = 'whatever is in the repository is known to everybody who ever cloned it'

/** The rule `no-literal-secret`, for a source. */
export function literalSecrets({ block, file }: SourceBlock): Found {
  return credentialAttributes.flatMap(name => {
    const attribute = attributeOf(block, name)
    if (attribute === undefined || !isLiteral(attribute)) return []
    const fix = `${name} = var.<variable>, and the value into the SOPS file; make a new secret, this one is known`
    return [
      { file, line: attribute.line, what: `\`${name}\` holds a literal value`, why: literalSecretWhy, fix },
    ]
  })
}

function isLiteral({ value }: AttributeNode): boolean {
  return /^"[^"]+"$/.test(value) && !value.includes('${')
}

/** The rule `no-literal-secret`, for a variable. */
export function literalDefault(variable: Variable): Found {
  const value = variable.default
  if (!holdsCredential(variable) || typeof value !== 'string' || value === '' || value.includes('${'))
    return []
  return [
    {
      file: variable.file,
      line: variable.line,
      what: `variable ${variable.name} has a literal default`,
      why: literalSecretWhy,
      fix: 'default = env("..."), and the value into the SOPS file; make a new secret, this one is known',
    },
  ]
}
