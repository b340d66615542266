/** Renames a set of addresses or a security group, or changes its comment. */

import { parameterError } from '../core/errors.mts'

interface Renaming {
  /** Parameter with the new name. */
  key: string
  /** Word for it in errors. */
  kind: string
  from: string
  to: string
  /** Undefined: keeps the comment. */
  comment: string | undefined
}

/** @throws {ApiError} 400 if `from` is missing, or `to` is another one that exists. */
export function renameEntries<T extends { comment?: string | undefined }>(
  all: Record<string, T>,
  { key, kind, from, to, comment }: Renaming,
): void {
  const found = all[from]
  if (!found) throw parameterError({ [key]: `${kind} '${from}' does not exist` })
  if (to !== from && all[to]) throw parameterError({ [key]: `${kind} '${to}' does already exist` })
  delete all[from]
  all[to] = { ...found, ...(comment !== undefined && { comment }) }
}
