const secrets = new Set<string>()
/** Shorter values are not registered: they would also replace ordinary words. */
const SHORTEST_SECRET = 6

/**
 * Registers a secret: `redact` replaces it by `***` from now on. Each line of a value is registered by itself, since
 * logs are redacted line by line.
 */
export function registerSecret(value: string | undefined): void {
  for (const line of (value ?? '').split(/\r?\n/)) if (line.length >= SHORTEST_SECRET) secrets.add(line)
}

/** Replaces every registered secret in `text`, also in its forms encoded for a URL or an HTML form. */
export function redact(text: string): string {
  let result = text
  for (const secret of [...secrets].sort((a, b) => b.length - a.length)) {
    for (const shape of [secret, encodeURIComponent(secret), formEncoded(secret)]) {
      result = result.replaceAll(shape, '***')
    }
  }
  return result
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1)
}
