import type { ProxmoxClient } from './client.mts'

/**
 * A client for looks at one moment: a question that was put already is not put again. Most privileges, for instance, are
 * needed for more than one piece of work. Not for what changes anything, or waits for a change.
 */
export function asksOnce(client: ProxmoxClient): ProxmoxClient {
  const answers = new Map<string, Promise<unknown>>()
  return {
    ...client,
    request<T>(...[method, path, parameters]: Parameters<ProxmoxClient['request']>) {
      const question = JSON.stringify([method, path, parameters])
      const answer = answers.get(question) ?? client.request<T>(method, path, parameters)
      answers.set(question, answer)
      return answer as Promise<T>
    },
  }
}
