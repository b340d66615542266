/** The report in a real browser. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { reportModel } from '../../scripts/lib/report/model.mts'
import { renderReport } from '../../scripts/lib/report/page.mts'
import { sampleFacts } from '../unit/report/sample.mts'
import { temporaryFolder } from '../unit/temporary.mts'
import { chromium, openPage, type Page } from './browser.mts'

if (chromium === undefined) {
  console.warn('the report is not looked at: no Chromium on PATH or in PROXMINT_TEST_CHROMIUM')
}

async function openReport(): Promise<Page> {
  const file = join(await temporaryFolder(), 'report.html')
  await writeFile(file, await renderReport(reportModel(sampleFacts())))
  return openPage(pathToFileURL(file).href, '')
}

/** The lowest contrast of any text to what is painted behind it, as WCAG 2 counts it. */
const lowestContrast = `(() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number)
  const luminance = ([r, g, b]) => [r, g, b]
    .map(value => value / 255)
    .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0)
  const ground = element => {
    const color = channels(getComputedStyle(element).backgroundColor)
    return color.length === 3 || color[3] > 0 ? color : ground(element.parentElement)
  }
  const contrast = element => {
    const [a, b] = [channels(getComputedStyle(element).color), ground(element)].map(luminance)
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
  }
  const hasText = element => [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim() !== '')
  const texts = [...document.body.querySelectorAll('*')].filter(hasText)
  return texts.length > 100 ? Math.min(...texts.map(contrast)) : 0
})()`

describe.skipIf(chromium === undefined)('the report', () => {
  test('asks for nothing, complains of nothing, and can be read in light and dark, wide and narrow', async () => {
    const page = await openReport()
    const grounds: string[] = []
    for (const scheme of ['light', 'dark'] as const) {
      for (const width of [1200, 360]) {
        await page.emulate(scheme, width)
        expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(
          0,
        )
        expect(await page.evaluate<number>(lowestContrast)).toBeGreaterThanOrEqual(4.5)
      }
      grounds.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'))
    }
    expect(new Set(grounds).size).toBe(2)
    expect([page.requested.filter(url => !url.startsWith('data:')).length, page.complaints]).toEqual([1, []])
  })

  test('has headings in order and a name for everything that needs one', async () => {
    const page = await openReport()
    const levels: number[] = await page.evaluate(
      "[...document.querySelectorAll('h1, h2, h3')].map(heading => Number(heading.localName[1]))",
    )
    expect(levels.filter((level, index) => level > (levels[index - 1] ?? 0) + 1)).toEqual([])
    const unnamed =
      "[...document.querySelectorAll('[aria-labelledby]')].filter(one => !document.getElementById(one.getAttribute('aria-labelledby'))).length"
    expect(await page.evaluate(unnamed)).toBe(0)
    expect(await page.evaluate("document.querySelectorAll('th:not([scope])').length")).toBe(0)
  })
})
