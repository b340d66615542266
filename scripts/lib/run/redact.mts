const secrets = new Set<string>()
const shortestSecret = 6

/**
 * Makes `value` unprintable from here on: everything that passes `redact` shows `***` instead. Of a value of
 * several lines, such as a private key, each line is, since logs are redacted line by line. Very short ones
 * are not registered: they would blank out ordinary words.
 */
export function registerSecret(value: string | undefined): void {
  for (const line of (value ?? '').split(/\r?\n/)) if (line.length >= shortestSecret) secrets.add(line)
}

/** `text` with every registered secret replaced, also where it was encoded for a URL or a form. */
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
