/** Parts of a parsed document, whatever is in it. */

export function tableOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

export function itemsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
