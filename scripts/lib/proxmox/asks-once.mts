import type { ProxmoxClient } from './client.mts'

/**
 * Makes a client that asks each question once and remembers the answer. It is for checks before work begins: the same
 * privilege is needed for several pieces of work. It is not for requests that change anything or wait for a change.
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
      // A server that is well again is asked again.
      answer.catch(() => answers.delete(question))
      return answer
    },
  }
}
