import { randomUUID } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cachedFolder } from './cache.mts'
import { type Installation, installDebian, recipeDigest } from './debian.mts'
import type { ImageName, ImageOptions } from './image.mts'

/** A Debian installation without the lab's own files, and the packages its guests can install. */
export interface Base {
  rootTar: string
  partuuid: string
  /** A flat apt repository. */
  packages: string
}

const IN_IMAGE = ['ca-certificates', 'iproute2', 'openssh-client', 'openssh-server', 'procps', 'sudo']

/** Stands in for systemd, whose place the lab's own commands take. */
const ALSO_IN_IMAGE: Record<ImageName, string[]> = {
  'debian-12': [],
  'debian-13': ['systemd-standalone-sysusers'],
}

/** The cached installation, made by mmdebstrap in about half a minute where it is missing. */
export async function ensureBase(name: ImageName, options: ImageOptions): Promise<Base> {
  const installation: Installation = {
    name,
    packages: [...IN_IMAGE, ...ALSO_IN_IMAGE[name]],
    prepare: join(import.meta.dirname, 'prepare.sh'),
  }
  const folder = await cachedFolder(
    `bases/${name}-${await recipeDigest(installation, options)}`,
    async work => {
      options.onBuild?.(name)
      const partuuid = randomUUID()
      await installDebian(installation, work, options, { PARTUUID: partuuid })
      await writeFile(join(work, 'partuuid'), `${partuuid}\n`)
    },
  )
  return {
    rootTar: join(folder, 'root.tar'),
    partuuid: (await readFile(join(folder, 'partuuid'), 'utf8')).trim(),
    packages: join(folder, 'packages'),
  }
}
