/** Finds the route of a request. Skips empty path segments, as Proxmox does (PVE/RESTHandler.pm). */

import type { Route } from '../core/route.mts'

export interface Match {
  route: Route
  /** Values of `{name}` in the path. */
  pathParameters: Record<string, string>
}

function segmentsOf(path: string): string[] {
  return path.split('/').filter(Boolean)
}

function isRest(pattern: string | undefined): boolean {
  return pattern?.endsWith('*}') === true
}

/** Matches one segment, or all that are left. A value has no white space. */
function matchSegments(patterns: string[], segments: string[]): Record<string, string> | undefined {
  const values: Record<string, string> = {}
  for (const [index, pattern] of patterns.entries()) {
    const segment = isRest(pattern) ? segments.slice(index).join('/') : segments[index]
    if (!segment) return undefined
    if (!pattern.startsWith('{')) {
      if (pattern !== segment) return undefined
    } else if (/\s/.test(segment)) return undefined
    else values[pattern.slice(1, isRest(pattern) ? -2 : -1)] = segment
  }
  return values
}

function isLengthRight(patterns: string[], segments: string[]): boolean {
  return isRest(patterns.at(-1)) ? segments.length >= patterns.length : segments.length === patterns.length
}

/** Makes a router. It returns the first route that matches. */
export function createRouter(routes: readonly Route[]): (method: string, path: string) => Match | undefined {
  const compiled = routes.map(route => ({ route, patterns: segmentsOf(route.path) }))
  /** @param path part after `/api2/json`, decoded: an encoded slash separates like any other. */
  return (method: string, path: string): Match | undefined => {
    const segments = segmentsOf(path)
    for (const { route, patterns } of compiled) {
      if (route.method !== method || !isLengthRight(patterns, segments)) continue
      const pathParameters = matchSegments(patterns, segments)
      if (pathParameters) return { route, pathParameters }
    }
    return undefined
  }
}
