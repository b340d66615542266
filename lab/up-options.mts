/** Options of `lab up`: from words to values. */

import { LabUsageError } from './core/lab-error.mts'
import type { LabOptions } from './create.mts'
import { IMAGE_NAMES, type ImageName } from './images/image.mts'
import type { GuestKind } from './inside.mts'
import { ISOLATION_MODES, type IsolationMode } from './network/isolation.mts'
import { requireLocal } from './network/listen-address.mts'

interface Words {
  listen: string | undefined
  public: boolean
  guests: string | undefined
  pveVersion: string | undefined
  images: string[]
  timeScale: string | undefined
  staleSeconds: string | undefined
  isolation: string | undefined
}

/** @throws {LabUsageError} that names the first wrong word and the accepted values. */
export function parseUpOptions(words: Words): LabOptions {
  const { listen, guests, pveVersion, images, timeScale, staleSeconds, isolation } = words
  return {
    ...(listen !== undefined && { listen: parseListen(listen, words.public) }),
    public: words.public,
    ...(guests !== undefined && { guests: parseGuests(guests) }),
    ...(pveVersion !== undefined && { pveVersion: parseVersion(pveVersion) }),
    ...(images.length > 0 && { images: images.map(parseImage) }),
    ...(timeScale !== undefined && { timeScale: fromZero('time-scale', timeScale) }),
    ...(staleSeconds !== undefined && { staleSeconds: fromZero('stale-seconds', staleSeconds) }),
    ...(isolation !== undefined && { isolation: parseIsolation(isolation) }),
  }
}

function parseListen(text: string, isPublic: boolean): { host: string; port: number } {
  const [, host, port] = /^(.+):(\d+)$/.exec(text) ?? []
  if (host === undefined || Number(port) > 65535)
    throw refusal('listen', text, 'HOST:PORT, such as 127.0.0.1:8006')
  const where = { host: host.replace(/^\[(.*)\]$/, '$1'), port: Number(port) }
  requireLocal(where, isPublic)
  return where
}

function parseGuests(text: string): GuestKind {
  if (text === 'sim' || text === 'qemu' || text === 'none') return text
  throw refusal('guests', text, 'sim, qemu or none')
}

function parseVersion(text: string): 8 | 9 {
  if (text === '8') return 8
  if (text === '9') return 9
  throw refusal('pve-version', text, '8 or 9')
}

function parseImage(text: string): ImageName {
  const name = IMAGE_NAMES.find(name => name === text)
  if (name === undefined) throw refusal('image', text, IMAGE_NAMES.join(' or '))
  return name
}

function fromZero(option: string, text: string): number {
  const number = Number(text)
  if (text.trim() === '' || !Number.isFinite(number) || number < 0)
    throw refusal(option, text, 'a number from 0')
  return number
}

function parseIsolation(text: string): IsolationMode {
  const mode = ISOLATION_MODES.find(mode => mode === text)
  if (mode === undefined) throw refusal('isolation', text, 'auto, namespace or loopback')
  return mode
}

function refusal(option: string, text: string, accepted: string): LabUsageError {
  return new LabUsageError(`--${option} \`${text}\` is not accepted`, `it takes ${accepted}`)
}
