/** Rules about credentials in templates. */

import { registerSecret } from '../run/redact.mts'
import type { Expression } from './expression.mts'
import { attributeOf } from './hcl-source.mts'
import { expressionValue, scopeOf } from './scope.mts'
import type { Assignment, Provisioner, SourceBlock, Template, Variable } from './template.mts'
import { type Found, violation } from './violation.mts'

const CREDENTIAL_ATTRIBUTES = ['username', 'token', 'password', 'ssh_password', 'winrm_password']
const CREDENTIAL_NAME = /^proxmox_username$|(^|_)(password|passwd|secret|token|api_key|private_key)$/i

/** Decides by name and type. A boolean such as `lock_root_password` holds no credential. */
export function holdsCredential({ name, type, defaultText }: Variable): boolean {
  if (type === 'bool' || /^(true|false)$/.test(defaultText ?? '')) return false
  return CREDENTIAL_NAME.test(name)
}

/** Rule `sensitive`, for a variable with a credential. */
export function sensitive(variable: Variable): Found {
  if (variable.sensitive) return []
  const why = 'Packer prints the value of an ordinary variable in its log'
  return violation(variable, `variable ${variable.name} is not sensitive`, why, 'sensitive = true')
}

const LITERAL_SECRET_WHY = 'everybody who ever cloned the repository knows it'
const NEW_SECRET = 'put a new secret into the SOPS file: this one is known'

/** Rule `no-literal-secret`, for all of a template. */
export function literalSecrets(template: Template): Found {
  return [
    ...template.sources.flatMap(source => ofSource(template, source)),
    ...template.variables.flatMap(variable => ofVariable(template, variable)),
    ...[...template.locals.values()].flatMap(local => ofLocal(template, local)),
    ...template.provisioners.flatMap(provisioner => ofProvisioner(template, provisioner)),
    ...template.assignments.flatMap(assignment => ofAssignment(template, assignment)),
  ]
}

function ofSource(template: Template, { block, file }: SourceBlock): Found {
  return CREDENTIAL_ATTRIBUTES.flatMap(name => {
    const attribute = attributeOf(block, name)
    if (attribute === undefined) return []
    const fix = `${name} = var.<variable>, and ${NEW_SECRET}`
    if (isLiteral(template, attribute.value))
      return violation(
        { file, line: attribute.line },
        `\`${name}\` holds a literal value`,
        LITERAL_SECRET_WHY,
        fix,
      )
    const origin = name === 'username' ? undefined : originOf(template, attribute.value)
    if (origin === undefined || !isLiteral(template, origin.text)) return []
    return violation(origin, `${origin.name} holds a literal value for \`${name}\``, LITERAL_SECRET_WHY, fix)
  })
}

/** Finds the local or variable that an expression is, unless its own name already says that it is a credential. */
function originOf(template: Template, text: string): Assignment | undefined {
  const expression = template.expressions.get(text)
  if (expression?.kind !== 'reference') return undefined
  const [kind, name = ''] = expression.path
  if (CREDENTIAL_NAME.test(name)) return undefined
  if (kind === 'local') return template.locals.get(name)
  const variable = template.variables.find(declared => declared.name === name)
  return variable && { ...variable, text: variable.defaultText ?? '' }
}

function ofVariable(template: Template, variable: Variable): Found {
  if (!holdsCredential(variable) || !isLiteral(template, variable.defaultText)) return []
  const fix = `default = env("..."), and ${NEW_SECRET}`
  return violation(variable, `variable ${variable.name} has a literal default`, LITERAL_SECRET_WHY, fix)
}

function ofLocal(template: Template, local: Assignment): Found {
  if (!CREDENTIAL_NAME.test(local.name) || !isLiteral(template, local.text)) return []
  const fix = `a sensitive variable with default = env("..."), and ${NEW_SECRET}`
  return violation(local, `local ${local.name} holds a literal value`, LITERAL_SECRET_WHY, fix)
}

/** Finds values such as `DB_PASSWORD=hunter2` in `environment_vars` and `env`. */
function ofProvisioner(template: Template, { block, file }: Provisioner): Found {
  return ['environment_vars', 'env'].flatMap(name => {
    const attribute = attributeOf(block, name)
    const expression = attribute && template.expressions.get(attribute.value)
    return literalVariables(expression).flatMap(variable =>
      violation(
        { file, line: attribute!.line },
        `\`${name}\` holds a literal value for ${variable}`,
        LITERAL_SECRET_WHY,
        `"${variable}=\${var.<variable>}" with a sensitive variable, and ${NEW_SECRET}`,
      ),
    )
  })
}

function literalVariables(expression: Expression | undefined): string[] {
  if (expression?.kind === 'object') {
    return expression.entries
      .filter(([, value]) => isLiteralText(value))
      .flatMap(([key]) => (key.kind === 'literal' ? [String(key.value)] : []))
      .filter(name => CREDENTIAL_NAME.test(name))
  }
  const items = expression?.kind === 'list' ? expression.items : []
  return items.flatMap(item => {
    const [, name = '', value] = /^(\w+)=(.+)$/s.exec(item.kind === 'literal' ? String(item.value) : '') ?? []
    return value !== undefined && CREDENTIAL_NAME.test(name) ? [name] : []
  })
}

/** Finds a token or password of Proxmox in `*.auto.pkrvars.*`. Its value is redacted from now on. */
function ofAssignment(template: Template, assignment: Assignment): Found {
  const { name } = assignment
  if (!/^proxmox_(token|password)$/.test(name) || !isLiteral(template, assignment.text)) return []
  registerSecret(String(expressionValue(template, assignment.text, scopeOf(template))))
  return violation(
    assignment,
    `${name} stands here in the clear, and overrides the credentials`,
    'Packer would take this value, and the checks those of the credentials',
    'remove the line; if the file was ever shared, renew the secret',
  )
}

function isLiteral({ expressions }: Template, text: string | undefined): boolean {
  const expression = text === undefined ? undefined : expressions.get(text)
  return expression !== undefined && isLiteralText(expression)
}

/** True for a text that the template itself holds, also as one of several possibilities. */
function isLiteralText(expression: Expression): boolean {
  if (expression.kind === 'literal') return typeof expression.value === 'string' && expression.value !== ''
  if (expression.kind === 'conditional') return [expression.yes, expression.no].some(isLiteralText)
  if (expression.kind !== 'call' || !['coalesce', 'try'].includes(expression.name)) return false
  return expression.args.some(isLiteralText)
}
