import { counted } from '../run/counted.mts'
import { wrap } from '../run/wrap.mts'
import type { Reconciliation } from './reconcile.mts'

const WIDTH = 100

/** Formats a reconciliation for people: each finding with its fix, and at the end what was compared. */
export function formatReconcile(reconciliation: Reconciliation): string {
  const lines = reconciliation.findings.flatMap(({ name, what, hint, fixed, error }) => [
    wrap(`${name}: ${what}`, WIDTH, '    '),
    ...(error === undefined ? [] : [wrap(`  not fixed: ${error}`, WIDTH, '    ')]),
    fixed ? '  fixed' : wrap(`  fix: ${hint}`, WIDTH, '    '),
  ])
  const added = reconciliation.added.map(line => wrap(line, WIDTH, '    '))
  return [...lines, ...added, wrap(verdict(reconciliation), WIDTH, '')].join('\n')
}

function verdict({ findings, tokens }: Reconciliation): string {
  const sides = `registry, folders${tokens.asked > 0 ? ', Proxmox and chain' : ' and Proxmox'}`
  const chain = tokens.asked > 0 ? '' : `; the chain ${unasked(tokens)}`
  if (findings.length === 0) return `${sides} agree${chain}`
  const fixed = findings.filter(one => one.fixed).length
  const count = `${counted(findings.length, 'finding')}, ${fixed} fixed`
  return `${count}: compared ${sides}${chain}`
}

function unasked({ held }: Reconciliation['tokens']): string {
  return held === 0 ? 'was not asked: no VM has a token' : 'could not be asked'
}
