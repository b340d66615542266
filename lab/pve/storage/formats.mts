/** Forms of values in the configuration of storages (PVE/Storage/Plugin.pm). */

import { dnsNameFormat, ipv4, ipv6 } from '../core/formats.mts'
import type { Verifier } from '../core/property.mts'
import { traitsOf } from './types.mts'

const CONTENT_TYPES = traitsOf({ type: 'dir' }).contents

export const contentType: Verifier = value =>
  CONTENT_TYPES.includes(value) ? undefined : `invalid content type '${value}'`

export const absolutePath: Verifier = value =>
  /^\/[^;()]+/.test(value) ? undefined : 'value does not look like a valid absolute path'

export const server: Verifier = value =>
  [ipv4, ipv6, dnsNameFormat].some(verify => verify(value) === undefined)
    ? undefined
    : 'value does not look like a valid server name or IP address'

export const lvmName: Verifier = value =>
  /^[a-z0-9][a-z0-9\-_.]*[a-z0-9]$/i.test(value)
    ? undefined
    : `lvm name '${value}' contains illegal characters`

export const mountOptions: Verifier = value =>
  /^\S+$/.test(value) ? undefined : `invalid options '${value}'`

export const volumeId: Verifier = value =>
  /^[a-z][a-z0-9\-_.]*[a-z0-9]:.+$/i.test(value) ? undefined : `unable to parse volume ID '${value}'`

/** A list element of `content-dirs`, such as `iso=images/cd`. */
export const folderOverride: Verifier = value => {
  const [, content, path] = /^([a-z]+)=([^.]*(?:\.?[^.]+)+)$/.exec(value) ?? []
  if (content === undefined) return `invalid override '${value}'`
  const fault = contentType(content)
  if (fault !== undefined) return fault
  const isShort = path!.length < 1023 && path!.split('/').every(part => part.length < 255)
  return isShort ? undefined : `invalid override '${value}'`
}

/** Block size of ZFS: a power of two from 512 bytes to 16 MiB. */
export const blockSize: Verifier = value => {
  if (value === '') return undefined
  const [, number, unit] = /^([1-9][0-9]*)([km])?$/i.exec(value) ?? []
  if (number === undefined)
    return `invalid ZFS blocksize format '${value}'. Use a positive number (no leading zeros) with an optional 'k' or 'm' suffix.`
  const factors: Record<string, number> = { k: 1024, m: 1024 ** 2 }
  const bytes = Number(number) * (factors[unit?.toLowerCase() ?? ''] ?? 1)
  const isPower = bytes >= 512 && bytes <= 16 * 1024 ** 2 && Number.isInteger(Math.log2(bytes))
  return isPower
    ? undefined
    : `value '${value}' is not a valid ZFS blocksize. Must be a power of 2 between 512B and 16MiB (e.g., 4k, 8k, 16k, 64k, 1m).`
}

/** An address or a name, with or without a port. */
export const portal: Verifier = value => {
  const [, bracketed, plain] = /^(?:\[([^\]]+)\]|([^:]+))(?::\d{1,5})?$/.exec(value) ?? []
  const host = bracketed ?? plain ?? value
  return server(host) === undefined ? undefined : 'value does not look like a valid portal address'
}
