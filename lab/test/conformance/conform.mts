/** Replays a recorded sequence on a fresh lab and compares the answers. */

import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compareAnswers, type Difference } from '../../answers/compare.mts'
import { normalAnswer, type Renamed } from '../../answers/normal.mts'
import { answerOf } from '../../answers/replay.mts'
import { readSequence, type Step, type StepAnswer } from '../../answers/sequence.mts'
import { logIn, newSession } from '../../answers/session.mts'
import { createNoneDriver } from '../../guests/none.mts'
import type { ClusterSpec } from '../../pve/core/cluster.mts'
import { createPveServer } from '../../pve/server.mts'
import { serveFiles } from './files.mts'

const PASSWORD = 'correct horse'

/** The node that the answers were recorded on. */
const RECORDED_NODE: ClusterSpec = {
  nodes: [{ name: 'pve', online: true }],
  storages: [
    { id: 'local', type: 'dir', content: ['iso', 'vztmpl', 'snippets', 'import', 'backup'] },
    { id: 'tank', type: 'dir', content: ['images', 'rootdir'] },
    { id: 'data', type: 'dir', content: ['images'] },
  ],
}

/** Folders of the storages where they were recorded. */
const FOLDERS: Record<string, string> = { local: '/var/lib/vz', tank: '/var/lib/tank', data: '/var/lib/data' }

/** A step whose answer differs. */
export interface Deviation {
  /** Number of the step in its file, from 1. */
  step: number
  request: Step
  differences: Difference[]
}

interface Replayed {
  steps: number
  deviations: Deviation[]
}

function inWordsOf(renamed: Renamed, step: Step): Step {
  const text = renamed.reduce((sum, [here, recorded]) => sum.replaceAll(recorded, here), JSON.stringify(step))
  return JSON.parse(text)
}

/** Replays a file of JSON Lines on a lab of its own. */
export async function conformityOf(path: string): Promise<Replayed> {
  const steps = readSequence(await readFile(path, 'utf8'))
  const dataDir = await mkdtemp(join(tmpdir(), 'pve-conformance-'))
  const files = await serveFiles()
  const server = await createPveServer({
    listen: { host: '127.0.0.1', port: 0 },
    ...{ dataDir, driver: createNoneDriver(), rootPassword: PASSWORD, timeScale: 0, lockSecondMs: 10 },
    cluster: RECORDED_NODE,
  })
  try {
    const folders = Object.entries(FOLDERS).map(([id, to]) => [join(dataDir, 'storage', id), to] as const)
    const session = newSession({ url: server.url, ca: readFileSync(server.caFile, 'utf8') }, 'root@pam')
    await logIn(session, 'root@pam', PASSWORD)
    const deviations: Deviation[] = []
    for (const [index, step] of steps.entries()) {
      const answer = await answerOf(session, inWordsOf(files.renamed, step))
      deviations.push(...deviationOf(step, index, normalAnswer(answer, [...files.renamed, ...folders])))
    }
    return { steps: steps.length, deviations }
  } finally {
    await server.close()
    files.close()
    await rm(dataDir, { recursive: true, force: true })
  }
}

function deviationOf(request: Step, index: number, here: StepAnswer): Deviation[] {
  const differences = compareAnswers(normalAnswer(request.answer!, []), here)
  return differences.length === 0 ? [] : [{ step: index + 1, request, differences }]
}
