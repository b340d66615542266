/** Property strings of Proxmox: `virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=20`. */

/** Reads a property string. @param first name of the value that may stand without a key at the beginning. */
export function propertiesOf(text: string, first: string): Map<string, string> {
  return new Map(
    text
      .split(',')
      .filter(part => part !== '')
      .map(part => {
        const at = part.indexOf('=')
        return at < 0 ? [first, part] : [part.slice(0, at), part.slice(at + 1)]
      }),
  )
}

/** Returns a property string with one key set, or without it; the rest keeps its text and its order. */
export function withProperty(text: string, key: string, value: string | undefined): string {
  const parts = text.split(',').filter(part => part !== '')
  const at = parts.findIndex(part => part.startsWith(`${key}=`))
  const changed = value === undefined ? [] : [`${key}=${value}`]
  if (at < 0) return [...parts, ...changed].join(',')
  return parts.toSpliced(at, 1, ...changed).join(',')
}

/** The volume of a drive: `tank:vm-100-disk-0` of `tank:vm-100-disk-0,size=10G`. */
export function volumeOf(drive: string): string {
  return drive.split(',')[0]!
}

/** The storage of a drive or a volume: `tank` of `tank:vm-100-disk-0,size=10G`. */
export function storageOf(drive: string): string {
  return drive.split(':')[0]!
}

const UNITS: Record<string, number> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 }

/** Reads the size of a drive in GiB; undefined if its text has none. */
export function gibOf(drive: string): number | undefined {
  const [, number, unit = ''] =
    /^(\d+(?:\.\d+)?)([KMGT]?)$/.exec(propertiesOf(drive, 'file').get('size') ?? '') ?? []
  return number === undefined ? undefined : (Number(number) * UNITS[unit]!) / 2 ** 30
}
