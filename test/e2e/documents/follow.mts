/** Runs the commands that the documents show, as they are shown, in a clone with a lab for its Proxmox VE. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { LabOptions } from '../../../lab/create.mts'
import { blockOf, loadDocument } from '../../unit/documents.mts'
import { repository, startLab } from '../workspace.mts'
import type { Scene, Step } from './scenes.mts'
import { createSite, type Site } from './site.mts'

let site: Site

async function linesOf({ page, workflow, text }: Step): Promise<string> {
  if (workflow !== undefined) return workflowStep(workflow, text)
  return page === undefined ? text : blockOf(await loadDocument(page), text)
}

async function workflowStep(file: string, command: string): Promise<string> {
  const { jobs } = parse(await readFile(join(repository, '.github/workflows', file), 'utf8')) as Workflow
  const steps = Object.values(jobs).flatMap(job => job.steps)
  return steps.find(({ run }) => run?.includes(command))!.run!
}

interface Workflow {
  jobs: Record<string, { steps: { run?: string }[] }>
}

async function filledIn(step: Step): Promise<string> {
  let lines = await linesOf(step)
  for (const [shown, value] of Object.entries(step.fill ?? {})) {
    expect(lines).toContain(shown)
    lines = lines.replaceAll(shown, typeof value === 'string' ? value : await value(site))
  }
  return lines
}

/** What stays in the foreground does so behind the next steps, until one of them ends it. */
const shellLines = (lines: string, { stays, says }: Step): string =>
  stays ? `${lines} > ../stays 2>&1 &\nuntil grep -F '${says}' ../stays; do sleep 0.1; done` : lines

/** Makes a test of each step, in a lab of its own. What one scene leaves is what the next begins with. */
export function followScenes(scenes: Scene[], lab: LabOptions): void {
  beforeAll(async () => {
    site = await createSite(await startLab(lab))
  })
  afterAll(() => site?.[Symbol.asyncDispose]())
  for (const scene of scenes) followScene(scene)
}

function followScene({ title, steps }: Scene): void {
  describe.sequential(title, () => {
    for (const step of steps) {
      test([step.page ?? step.workflow, step.text].filter(Boolean).join(': '), async () => {
        await step.before?.(site)
        const lines = shellLines(await filledIn(step), step)
        const { code, stdout, stderr } = await site.shell(lines, await step.env?.(site))
        const said = `${stdout}${stderr}`
        expect(code, said).toBe(step.code ?? 0)
        if (step.says !== undefined) expect(said).toMatch(step.says)
      })
    }
  })
}
