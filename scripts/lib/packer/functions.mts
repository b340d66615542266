/** Functions of HCL that are evaluated before the build. A call of any other function is not known. */
import { posix } from 'node:path'
import type { Scope, Value } from './expression.mts'

/** @param args Values of the arguments; undefined if not known. @returns Undefined if not known. */
type HclFunction = (args: (Value | undefined)[], scope: Scope) => Value | undefined

/** Function of texts: its value is known if all of its arguments are. */
function ofTexts(work: (...texts: string[]) => Value | undefined): HclFunction {
  return args =>
    args.some(arg => arg === undefined || arg === null || typeof arg === 'object')
      ? undefined
      : work(...args.map(String))
}

/** Function of lists; other arguments are lists of one item. */
function ofLists(work: (...lists: (Value | undefined)[][]) => Value | undefined): HclFunction {
  return args =>
    args.includes(undefined) ? undefined : work(...args.map(arg => (Array.isArray(arg) ? arg : [arg])))
}

function firstOf(args: (Value | undefined)[]): Value | undefined {
  // An argument that is not known decides, if no known one stands before it.
  return args.find(arg => arg !== null && arg !== '')
}

export const FUNCTIONS: Record<string, HclFunction> = {
  env: ([name], scope) => (typeof name === 'string' ? scope.env(name) : undefined),
  coalesce: firstOf,
  try: args => args[0],
  lower: ofTexts(text => text.toLowerCase()),
  upper: ofTexts(text => text.toUpperCase()),
  trimspace: ofTexts(text => text.trim()),
  substr: ofTexts((text, start, length) =>
    text.slice(Number(start), Number(length) < 0 ? undefined : Number(start) + Number(length)),
  ),
  // A pattern between slashes is a regular expression of Go.
  replace: ofTexts((text, from = '', to = '') =>
    from.startsWith('/') ? undefined : text.replaceAll(from, to),
  ),
  basename: ofTexts(path => posix.basename(path)),
  dirname: ofTexts(path => posix.dirname(path)),
  tostring: ofTexts(text => text),
  tonumber: ofTexts(Number),
  tobool: ofTexts(text => text === 'true'),
  split: ofTexts((separator, text = '') => text.split(separator)),
  join: ofLists(([separator], ...lists) => {
    const items = lists.flat()
    return items.includes(undefined) ? undefined : items.join(String(separator))
  }),
  concat: ofLists((...lists) => lists.flat()),
  compact: ofLists(list => list.filter(item => item !== '' && item !== null)),
  contains: ofLists((list, [item]) => list.includes(item)),
}
