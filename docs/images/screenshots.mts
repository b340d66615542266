/**
 * Makes the pictures of the documents that show pages, from invented data, with a headless Chromium on PATH or in
 * PROXMINT_TEST_CHROMIUM. Run: `node docs/images/screenshots.mts`.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { reportModel } from '../../scripts/lib/report/model.mts'
import { renderReport } from '../../scripts/lib/report/page.mts'
import { runCommand } from '../../scripts/lib/run/exec.mts'
import { sampleFacts } from '../../test/unit/report/sample.mts'

const chromium = process.env['PROXMINT_TEST_CHROMIUM'] ?? 'chromium-headless-shell'
const folder = await mkdtemp(join(tmpdir(), 'proxmint-screenshot-'))
const page = join(folder, 'report.html')
await writeFile(page, await renderReport(reportModel(sampleFacts())))

/** @param scheme as Blink numbers them: 0 dark, 1 light. @param size width and height in CSS pixels. */
async function shoot(name: string, scheme: 0 | 1, size: string): Promise<void> {
  const { code, stderr } = await runCommand({
    file: chromium,
    args: [
      '--no-sandbox',
      '--hide-scrollbars',
      `--blink-settings=preferredColorScheme=${scheme}`,
      `--window-size=${size}`,
      `--screenshot=${join(import.meta.dirname, name)}`,
      `file://${page}`,
    ],
  })
  if (code !== 0) throw new Error(`Chromium ended with ${code}: ${stderr}`)
  console.log(`docs/images/${name}`)
}

await shoot('report-light.png', 1, '900,1200')
await shoot('report-dark.png', 0, '900,1200')
await rm(folder, { recursive: true })
