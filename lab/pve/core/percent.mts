/** Percent-encoded texts as Proxmox's web server reads them. */

/** Decodes to bytes, one character for each. Keeps a percent sign that is no code. */
export function decodePercent(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
}
