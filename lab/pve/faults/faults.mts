/** The faults of one server: decides which one is due and counts. */

import { setTimeout as sleep } from 'node:timers/promises'
import type { Fault, FaultKind, FaultOf, FaultReport, Faults, Match, Occasion } from '../core/fault.mts'
import { operation } from './operation.mts'

/** Returns a generator of numbers from 0 to 1. A seed always gives the same numbers (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** Translates `/nodes/*\/qemu/**`. One `*` is a part of one segment, `**` is any number of segments. */
export function pathPattern(pattern: string): RegExp {
  const segments = pattern.split('/').filter(Boolean)
  const parts = segments.map(segment =>
    segment === '**' ? '(?:/[^/]+)*' : `/${segment.split('*').map(literally).join('[^/]*')}`,
  )
  return new RegExp(`^${parts.join('')}$`)
}

interface Armed extends FaultReport {
  path: RegExp | undefined
  random(): number
}

function arm(fault: Fault): Armed {
  return {
    fault,
    seen: 0,
    struck: 0,
    path: fault.match?.path === undefined ? undefined : pathPattern(fault.match.path),
    random: randomFrom(fault.seed ?? 1),
  }
}

function fitsVm(wanted: number | undefined, occasion: Occasion): boolean {
  if (wanted === undefined) return true
  return occasion.vmid === undefined ? operation()?.vmids.has(wanted) === true : occasion.vmid === wanted
}

function fits({ fault, path }: Armed, occasion: Occasion): boolean {
  const { method, vmid, task, storage }: Match = fault.match ?? {}
  const now = operation()
  return (
    (method === undefined || method === now?.method) &&
    (path === undefined || (now !== undefined && path.test(now.path))) &&
    fitsVm(vmid, occasion) &&
    (task === undefined || task === now?.task) &&
    (storage === undefined || storage === occasion.storage)
  )
}

function strikes(armed: Armed): boolean {
  const { after = 0, times = Number.POSITIVE_INFINITY, probability = 1 } = armed.fault
  armed.seen += 1
  if (armed.seen <= after || armed.struck >= times || armed.random() >= probability) return false
  armed.struck += 1
  return true
}

export function createFaults(initial: Fault[] = []): Faults {
  let armed = initial.map(arm)
  const closing = new AbortController()
  return {
    set(faults) {
      armed = faults.map(arm)
    },
    list: () => armed.map(({ fault, seen, struck }) => ({ fault, seen, struck })),
    due<K extends FaultKind>(kind: K, occasion: Occasion = {}) {
      const found = armed.find(each => each.fault.fault === kind && fits(each, occasion) && strikes(each))
      return found?.fault as FaultOf<K> | undefined
    },
    skew() {
      const skews = armed.map(({ fault }) => (fault.fault === 'clock-skew' ? fault.seconds : 0))
      return skews.reduce((sum, seconds) => sum + seconds, 0)
    },
    wait: (seconds, signal = closing.signal) =>
      sleep(seconds * 1000, undefined, { signal: AbortSignal.any([closing.signal, signal]) }),
    end: () => closing.abort(),
  }
}
