function literally(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

/** `/nodes/*\/qemu/**`: one `*` is a part of one segment, `**` any number of whole segments. */
export function pathPattern(pattern: string): RegExp {
  const segments = pattern.split('/').filter(Boolean)
  const parts = segments.map(segment =>
    segment === '**' ? '(?:/[^/]+)*' : `/${segment.split('*').map(literally).join('[^/]*')}`,
  )
  return new RegExp(`^${parts.join('')}$`)
}
