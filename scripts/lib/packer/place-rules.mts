/** Rule `one-proxmox`: Packer builds on the Proxmox, and with the login, that the checks ask about. */
import { proxmoxSource } from './build-target.mts'
import type { Value } from './expression.mts'
import { attributeOf } from './hcl-source.mts'
import { attributeValue, expressionValue, type Given, scopeOf } from './scope.mts'
import type { SourceBlock, Template } from './template.mts'
import { type Found, violation } from './violation.mts'

/** What a build hands to Packer: url, node and login of the credentials. */
export interface HandedLogin {
  url: string
  node: string
  /** `user@realm!tokenid`, or `user@realm` for Packer 1.6. */
  username: string
  /** Undefined for Packer 1.6, which logs in with a password. */
  token: string | undefined
}

/** Attribute of a source, the variable of the environment that sets it, and whether two values are the same. */
const ATTRIBUTES: { name: string; key: keyof HandedLogin; same(a: string, b: string): boolean }[] = [
  { name: 'proxmox_url', key: 'url', same: (a, b) => hostOf(a) === hostOf(b) },
  { name: 'node', key: 'node', same: (a, b) => a === b },
  { name: 'username', key: 'username', same: (a, b) => a === b },
  { name: 'token', key: 'token', same: (a, b) => a === b },
]

/** Compares the source with the login. @param login Undefined: the credentials are not known. */
export function onOneProxmox(template: Template, given: Given, login: HandedLogin | undefined): Found {
  const source = proxmoxSource(template)
  if (source === undefined || login === undefined) return []
  const env = {
    ...given.env,
    PROXMOX_URL: login.url,
    PROXMOX_NODE: login.node,
    PROXMOX_USERNAME: login.username,
    PROXMOX_TOKEN: login.token,
  }
  const scope = scopeOf(template, { ...given, env })
  return ATTRIBUTES.flatMap(({ name, key, same }) => {
    const wanted = login[key]
    const value = attributeValue(template, source.block, name, scope)
    if (wanted === undefined || value === undefined || value === '' || same(String(value), wanted)) return []
    return another(template, source, name, key, value, env)
  })
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url
}

function another(
  template: Template,
  source: SourceBlock,
  name: string,
  key: keyof HandedLogin,
  value: Value,
  env: NodeJS.ProcessEnv,
): Found {
  const isShown = key === 'node' || key === 'url'
  const shown = isShown ? ` (${key === 'url' ? hostOf(String(value)) : value})` : ''
  const origin = originOf(template, source, name, env)
  // What `username` and `token` may be is checked by the rule `token-format`.
  if (!isShown && !origin.overrides) return []
  const { place, setBy, fix } = origin
  return violation(
    place,
    `${setBy} is not that of the credentials${shown}`,
    'the checks ask the Proxmox of the credentials, and Packer would build with this value',
    fix,
  )
}

interface Origin {
  place: { file: string; line: number }
  setBy: string
  fix: string
  /** True if a value overrides the default of a variable. */
  overrides: boolean
}

/** Finds where the value of an attribute comes from. */
function originOf(
  template: Template,
  { block, file }: SourceBlock,
  name: string,
  env: NodeJS.ProcessEnv,
): Origin {
  const attribute = attributeOf(block, name)!
  const expression = template.expressions.get(attribute.value)
  const [kind, variable = ''] = expression?.kind === 'reference' ? expression.path : []
  const assignment = template.assignments.findLast(one => one.name === variable)
  if (kind === 'var' && assignment !== undefined)
    return {
      place: assignment,
      setBy: `\`${variable}\``,
      fix: 'remove the line; the value comes from the credentials',
      overrides: true,
    }
  if (kind === 'var' && env[`PKR_VAR_${variable}`] !== undefined) {
    const declared = template.variables.find(one => one.name === variable)!
    const setBy = `PKR_VAR_${variable} of the environment`
    return {
      place: declared,
      setBy,
      fix: `unset PKR_VAR_${variable}; the value comes from the credentials`,
      overrides: true,
    }
  }
  const place = { file, line: attribute.line }
  return {
    place,
    setBy: `\`${name}\``,
    fix: `${name} = var.proxmox_${name.replace('proxmox_', '')}`,
    overrides: false,
  }
}

/**
 * Finds a whole token (`user@realm!tokenid=secret`) where a value overrides the credentials: in `*.auto.pkrvars.*`, and
 * in `PKR_VAR_proxmox_token`.
 */
export function overridingTokens(template: Template, { env = process.env }: Given): Found {
  const why =
    'Packer wants the bare secret of the API token; the full PVEAPIToken=... string is refused with a 401'
  const files = template.assignments.filter(({ name }) => name === 'proxmox_token')
  const inFiles = files.flatMap(assignment =>
    isWholeToken(expressionValue(template, assignment.text, scopeOf(template)))
      ? violation(
          assignment,
          '`proxmox_token` holds the full token',
          why,
          'remove the line; the token comes from the credentials',
        )
      : [],
  )
  const declared = template.variables.find(({ name }) => name === 'proxmox_token')
  const variable = 'PKR_VAR_proxmox_token'
  if (declared === undefined || !isWholeToken(env[variable])) return inFiles
  const what = `${variable} of the environment holds the full token`
  return [...inFiles, ...violation(declared, what, why, `unset ${variable}`)]
}

/** True for `PVEAPIToken=USER@REALM!ID=SECRET` and its parts. The secret alone is a UUID. */
function isWholeToken(value: Value | undefined): boolean {
  return typeof value === 'string' && /[=!@]/.test(value)
}
