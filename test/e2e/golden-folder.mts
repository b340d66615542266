/** Gives the files of a run one folder for the states that they copy: see golden.mts. */
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { runAsLabRoot } from './isolated.mts'

declare module 'vitest' {
  export interface ProvidedContext {
    goldenFolder: string
  }
}

export default async function provideGoldenFolder(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'proxmint-golden-'))
  project.provide('goldenFolder', folder)
  return () => runAsLabRoot(['rm', '-rf', folder])
}
