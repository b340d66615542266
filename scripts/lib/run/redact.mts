const secrets = new Set<string>()
const shortestSecret = 6

/**
 * Makes `value` unprintable from here on: everything that passes `redact` shows `***` instead.
 * Very short values are not registered, since they would blank out ordinary words.
 */
export function registerSecret(value: string | undefined): void {
  if (value !== undefined && value.length >= shortestSecret) secrets.add(value)
}

/** `text` with every registered secret replaced, also where it was URL-encoded. */
export function redact(text: string): string {
  let result = text
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    result = result.replaceAll(secret, '***').replaceAll(encodeURIComponent(secret), '***')
  }
  return result
}
