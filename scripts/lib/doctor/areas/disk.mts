import { constants } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { cacheFolder } from '../../tools/cache.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, ok } from '../diagnosis.mts'
import { lookAt, valueIn } from '../look.mts'

const GIB = 2 ** 30

interface DiskFact {
  path: string
  freeBytes: number
  writable: boolean
}

/** Room, and the right to write, for state, tools and temporary files. */
export const disk: DoctorCheck<DiskFact[]> = {
  area: 'disk',
  look: ({ config }) =>
    lookAt(async () => {
      const stateDir = valueIn(await config)?.stateDir ?? resolve('.proxmint')
      return Promise.all([stateDir, cacheFolder(), tmpdir()].map(measure))
    }),
  judge: disks => disks.map(judgeDisk),
}

/** Measures the folder. One that is not there will be made in its nearest ancestor, so that is measured. */
async function measure(folder: string): Promise<DiskFact> {
  const path = await nearestExisting(folder)
  const { bavail, bsize } = await statfs(path)
  return { path, freeBytes: bavail * bsize, writable: await succeeds(access(path, constants.W_OK)) }
}

async function nearestExisting(path: string): Promise<string> {
  return (await succeeds(stat(path))) ? path : nearestExisting(dirname(path))
}

function succeeds(work: Promise<unknown>): Promise<boolean> {
  return work.then(
    () => true,
    () => false,
  )
}

function judgeDisk({ path, freeBytes, writable }: DiskFact): Diagnosis {
  const area = 'disk'
  if (!writable) {
    const fix = `sudo chown -R "$USER" '${path}'`
    return { area, level: 'fault', what: `${path} cannot be written`, fix }
  }
  const what = `${path}: ${(freeBytes / GIB).toFixed(1)} GiB free`
  if (freeBytes >= GIB) return ok(area, what)
  const fix = 'make room on its file system: logs, old container images, ~/.cache'
  return { area, level: freeBytes < GIB / 4 ? 'fault' : 'note', what, fix }
}
