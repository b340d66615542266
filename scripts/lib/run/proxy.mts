import http from 'node:http'

/** Older Node.js has no such function: then no proxy is used. */
const { setGlobalProxyFromEnv } = http as { setGlobalProxyFromEnv?: () => () => void }

let isSet = false

/** Sends an HTTP request through the proxy of HTTPS_PROXY or HTTP_PROXY, unless NO_PROXY names the host. */
export function fetchThroughProxy(url: string, options: RequestInit): Promise<Response> {
  if (!isSet) setGlobalProxyFromEnv?.()
  isSet = true
  return fetch(url, options)
}

/**
 * Variables by which a child process asks a host without the proxy, whatever else it asks through it. Empty if no proxy
 * is set. Programs read NO_PROXY in either case.
 */
export function directVariables(host: string, env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const hasProxy = ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'].some(name => env[name])
  if (!hasProxy) return {}
  const others = env['NO_PROXY'] || env['no_proxy']
  const list = [...(others ? [others] : []), host].join(',')
  return { NO_PROXY: list, no_proxy: list }
}
