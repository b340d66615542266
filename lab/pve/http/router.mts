/** Finds the route of a request. Skips empty path segments, as Proxmox does. */

import { ApiError } from '../core/errors.mts'
import type { Route } from '../core/route.mts'

export interface Match {
  route: Route
  /** Decoded values of `{name}` in the path. */
  pathParameters: Record<string, string>
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter(Boolean)
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new ApiError(400, `invalid percent encoding in '${segment}'`)
  }
}

function isRest(pattern: string | undefined): boolean {
  return pattern?.endsWith('*}') === true
}

function matchSegments(patterns: string[], segments: string[]): Record<string, string> | undefined {
  const values: Record<string, string> = {}
  for (const [index, pattern] of patterns.entries()) {
    const segment = segments[index]
    if (segment === undefined) return undefined
    if (isRest(pattern)) values[pattern.slice(1, -2)] = segments.slice(index).join('/')
    else if (pattern.startsWith('{')) values[pattern.slice(1, -1)] = segment
    else if (pattern !== segment) return undefined
  }
  return values
}

function isLengthRight(patterns: string[], segments: string[]): boolean {
  return isRest(patterns.at(-1)) ? segments.length >= patterns.length : segments.length === patterns.length
}

/** Makes a router. It returns the first route that matches. */
export function createRouter(routes: readonly Route[]): (method: string, path: string) => Match | undefined {
  const compiled = routes.map(route => ({ route, patterns: segmentsOf(route.path) }))
  /** @param path part after `/api2/json`, still percent-encoded. */
  return (method: string, path: string): Match | undefined => {
    const segments = segmentsOf(path).map(decode)
    for (const { route, patterns } of compiled) {
      if (route.method !== method || !isLengthRight(patterns, segments)) continue
      const pathParameters = matchSegments(patterns, segments)
      if (pathParameters) return { route, pathParameters }
    }
    return undefined
  }
}
