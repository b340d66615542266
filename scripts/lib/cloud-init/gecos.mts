/** GECOS fields: the comment of an account in /etc/passwd, with parts that commas separate. */

/** Longer texts are cut. */
const MAX_CHARACTERS = 100

/**
 * Makes one part of a GECOS field from any text. useradd refuses a colon and a line break, and then makes no account. A
 * comma begins the next part. libpam-web3 reads `nft=` in the first part as the token that opens the account.
 * @returns letters, digits and other marks with single spaces: `shop front` for `shop: front`.
 */
export function gecosPartOf(text: string): string {
  const clean = text
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Cs}:,=]+/gu, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  return Array.from(clean).slice(0, MAX_CHARACTERS).join('').trimEnd()
}

/** Names what useradd refuses in a GECOS field, as the end of a sentence; undefined if it accepts the text. */
export function gecosFault(text: string): string | undefined {
  if (text.includes(':')) return 'has a colon'
  return /[\p{Cc}\p{Zl}\p{Zp}]/u.test(text) ? 'has a line break or a control character' : undefined
}
