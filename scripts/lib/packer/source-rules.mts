/** Rules about the one source of a family, and about its name. */
import { truth } from './evaluate.mts'
import { attributeOf } from './hcl-source.mts'
import { attributeValue, type Given, scopeOf } from './scope.mts'
import type { SourceBlock, Template } from './template.mts'
import { type Found, violation } from './violation.mts'

export function isProxmox({ type }: SourceBlock): boolean {
  return type.startsWith('proxmox-')
}

export function isClone({ type }: SourceBlock): boolean {
  return type === 'proxmox-clone'
}

/** Rule `one-source`: a build makes one VM, whose VMID is reserved. */
export function oneSource({ sources, used, folder }: Template): Found {
  const why = 'a build reserves one VMID, and each source makes a VM of its own'
  const fix = 'a folder of packer/ for each source; keep one here'
  if (used.length > 1) {
    const names = used.map(({ source }) => source).join(', ')
    return violation(used[1]!, `${used.length} sources are built: ${names}`, why, fix)
  }
  if (used.length === 1) return []
  const [first, second] = sources.filter(isProxmox)
  if (first === undefined || second === undefined) return []
  const place = { file: second.file, line: second.block.line }
  const names = `${first.type}.${first.name}, ${second.type}.${second.name}`
  return violation(place, `${folder} has several sources: ${names}`, why, fix)
}

/** Rule `family-name`: the name of the folder begins the name of each VM template. */
export function familyName({ os, files }: Template): Found {
  if (/^[A-Za-z\d](?:[A-Za-z\d-]*[A-Za-z\d])?(?:\.[A-Za-z\d](?:[A-Za-z\d-]*[A-Za-z\d])?)*$/.test(os))
    return []
  const close = os.replaceAll(/[^A-Za-z\d.-]+/g, '-').replaceAll(/^[-.]+|[-.]+$/g, '')
  return violation(
    { file: files[0]!.path, line: 1 },
    `the folder ${os} has a name that a VM cannot have`,
    'the VM templates are named after the folder; Proxmox takes letters, digits, hyphens and dots, and no hyphen at an end',
    close === '' ? 'another name for the folder' : `name the folder ${close}`,
  )
}

/** Rule `full-clone`, for sources that clone nothing. Their family must have an exemption. */
export function nothingCloned({ sources }: Template): Found {
  const why =
    'an installation takes long and ends differently each time; a full clone of a verified image does not'
  const fix = 'clone an imported image with full_clone = true, or state the exemption in family.yaml'
  return sources
    .filter(source => isProxmox(source) && !isClone(source))
    .flatMap(({ file, block: { line }, name, type }) =>
      violation({ file, line }, `source ${name} is ${type}, not proxmox-clone`, why, fix),
    )
}

/** Rule `full-clone`. The plugin's default is a full clone. */
export function fullClone(template: Template, { block, file }: SourceBlock, given: Given): Found {
  const attribute = attributeOf(block, 'full_clone')
  if (attribute === undefined || attribute.value === 'null') return []
  const value = attributeValue(template, block, 'full_clone', scopeOf(template, given))
  if (truth(value) === true || value === null) return []
  return violation(
    { file, line: attribute.line },
    value === undefined ? '`full_clone` is not known before the build' : '`full_clone` is not true',
    'a linked clone shares its base disk: it can stop at boot with "PARTUUID does not exist. Dropping to a shell!", and ties the template to the base VM for ever',
    'full_clone = true',
  )
}

/** Rule `base-by-name`: the base VM is looked for by its name before Packer runs. */
export function baseByName(template: Template, { block, file, name }: SourceBlock, given: Given): Found {
  const why =
    'permissions, base VM and image are looked for by name before Packer runs; a VMID is another VM elsewhere'
  const fix = 'clone_vm = "NAME OF THE BASE VM", as text or by variables and locals with known values'
  const byId = attributeOf(block, 'clone_vm_id')
  if (byId !== undefined)
    return violation(
      { file, line: byId.line },
      `source ${name} names its base VM by \`clone_vm_id\``,
      why,
      fix,
    )
  const byName = attributeOf(block, 'clone_vm')
  const line = byName?.line ?? block.line
  if (byName === undefined) return violation({ file, line }, `source ${name} sets no \`clone_vm\``, why, fix)
  const value = attributeValue(template, block, 'clone_vm', scopeOf(template, given))
  if (typeof value === 'string' && value !== '') return []
  const what = `\`clone_vm = ${byName.value}\` is not known before the build`
  return violation({ file, line }, what, why, fix)
}
