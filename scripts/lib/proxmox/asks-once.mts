import type { ProxmoxClient } from './client.mts'

/**
 * Creates a client that sends each request once and remembers the answer. Use it for checks before work begins, since
 * several works need the same privileges. Do not use it for requests that change something or wait for a change.
 */
export function asksOnce(client: ProxmoxClient): ProxmoxClient {
  const answers = new Map<string, Promise<unknown>>()
  return {
    ...client,
    request<T>(...[method, path, parameters]: Parameters<ProxmoxClient['request']>) {
      const question = JSON.stringify([method, path, parameters])
      const known = answers.get(question)
      if (known !== undefined) return known as Promise<T>
      const answer = client.request<T>(method, path, parameters)
      answers.set(question, answer)
      // A failed request is sent again next time.
      answer.catch(() => answers.delete(question))
      return answer
    },
  }
}
