import http from 'node:http'

/** Older Node.js has no such function: then no proxy is used. */
const { setGlobalProxyFromEnv } = http as { setGlobalProxyFromEnv?: () => () => void }

let isSet = false

/** Sends an HTTP request through the proxy of HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY names the host. */
export function fetchThroughProxy(url: string, options: RequestInit): Promise<Response> {
  if (!isSet && hasProxy(process.env, ['HTTP_PROXY', 'HTTPS_PROXY'])) setGlobalProxyFromEnv?.()
  isSet = true
  return fetch(url, options)
}

/**
 * Variables by which a child process asks a host without the proxy, whatever else it asks through it. Empty if no proxy
 * is set. Programs read NO_PROXY in either case.
 */
export function directVariables(host: string, env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  if (!hasProxy(env, ['HTTPS_PROXY', 'ALL_PROXY'])) return {}
  const others = env['NO_PROXY'] || env['no_proxy']
  const list = [...(others ? [others] : []), host].join(',')
  return { NO_PROXY: list, no_proxy: list }
}

/** Programs take the names in either case. */
function hasProxy(env: NodeJS.ProcessEnv, names: string[]): boolean {
  return names.some(name => env[name] || env[name.toLowerCase()])
}
