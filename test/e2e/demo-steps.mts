import { loadDocument } from '../unit/documents.mts'

/** The steps of the demo by name, as the README shows them: `1.8 s  start an embedded Proxmox VE`. */
export async function stepsOfTheReadme(): Promise<string[]> {
  const { text } = await loadDocument('README.md')
  const lines = [...text.matchAll(/^ +[\d.]+ s {2}(.+)$/gm)].map(([, name]) => name!)
  return lines.filter(name => name !== 'in all')
}
