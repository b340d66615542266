/** Text that is already HTML. */
export interface Html {
  readonly html: string
}

type Value = string | number | Html | readonly Html[] | undefined

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Escapes text for use between tags and inside quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => ENTITIES[character]!)
}

/** Fills a template. Values are escaped unless they are HTML; undefined adds nothing. */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  const text = parts.reduce((before, part, index) => before + htmlOf(values[index - 1]) + part)
  return { html: text }
}

function htmlOf(value: Value): string {
  if (value === undefined) return ''
  if (typeof value === 'string' || typeof value === 'number') return escapeHtml(String(value))
  return 'html' in value ? value.html : value.map(one => one.html).join('\n')
}
