import { resolve } from 'node:path'
import { reconcile } from '../reconcile/reconcile.mts'
import type { RegistryStore } from '../registry/store.mts'
import { writeFileAtomic } from '../run/atomic-file.mts'
import { messageOf } from '../run/errors.mts'
import { printableLine } from '../run/printable.mts'
import { redact } from '../run/redact.mts'
import { withRegistry } from '../site/open-registry.mts'
import { openSite, type Site } from '../site/site.mts'
import { openContext } from '../vm/open.mts'
import type { Reconciled, ReportFacts } from './facts.mts'
import { type ReportModel, reportModel } from './model.mts'
import { renderReport } from './page.mts'

/** Writes the report. @param file undefined: `report.html` in the state folder. @returns its absolute path and contents. */
export async function writeReport(
  file: string | undefined,
  signal: AbortSignal,
): Promise<{ file: string; model: ReportModel }> {
  const site = openSite()
  const { stateDir } = await site.config()
  const model = reportModel(await withRegistry(site, 'report', store => gatherFacts(store, site, signal)))
  const path = resolve(file ?? `${stateDir}/report.html`)
  await writeFileAtomic(path, redact(await renderReport(model)))
  return { file: path, model }
}

async function gatherFacts(store: RegistryStore, site: Site, signal: AbortSignal): Promise<ReportFacts> {
  const [{ site: name }, families, entries, archived, pools, reconciled] = await Promise.all([
    site.config(),
    site.families(),
    store.list(),
    store.listArchived(),
    site.pools(),
    tryReconcile(store, site, signal),
  ])
  return { now: new Date(), site: name, families, entries, archived, pools, reconciled }
}

/** Runs `reconcile` without changes. A failure does not stop the report, which is needed most when something is broken. */
async function tryReconcile(store: RegistryStore, site: Site, signal: AbortSignal): Promise<Reconciled> {
  try {
    const { findings } = await reconcile(await openContext(store, site, signal), false)
    return { findings }
  } catch (error) {
    if (signal.aborted) throw error
    return { unknown: redact(messageOf(error)) }
  }
}

/** Formats the path and the faults, for a person. */
export function formatReport({ file, model }: { file: string; model: ReportModel }): string {
  return [`report: ${file}`, ...model.attention.map(sentence => `  - ${printableLine(sentence)}`)].join('\n')
}
