/** Installs Debian with mmdebstrap. */

import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LabError } from '../core/lab-error.mts'
import { run } from '../core/process.mts'
import type { ImageName, ImageOptions } from './image.mts'

/** Recipe of an image. */
export interface Installation {
  name: ImageName
  packages: string[]
  /** Bash script that mmdebstrap runs as its customize hook. `packages.sh` lies beside it. */
  prepare: string
}

/** Packages that Debian's own cloud images lack, too. The lab's package source has them with their dependencies. */
const OFFERED = ['qemu-guest-agent']

const SUITES: Record<ImageName, string> = { 'debian-12': 'bookworm', 'debian-13': 'trixie' }

/** Documentation and translations: half of all files, and useless in a lab. */
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*']

const PACKAGES_SCRIPT = join(import.meta.dirname, 'packages.sh')

/**
 * Installs Debian to `work/root.tar`, and a flat apt repository of OFFERED to `work/packages`.
 * @param env variables for the script, besides PACKAGES and PACKAGE_SOURCE.
 * @throws {LabError} if mmdebstrap is missing or fails.
 */
export async function installDebian(
  installation: Installation,
  work: string,
  options: ImageOptions,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  const { name } = installation
  await mkdir(join(work, 'packages'))
  await run('mmdebstrap', mmdebstrapArguments(installation, work), {
    env: {
      ...process.env,
      ...env,
      PACKAGES: OFFERED.join(' '),
      PACKAGE_SOURCE: `${options.packageSourceUrl}/${name}`,
    },
    missing: 'the lab makes its images with mmdebstrap; install the package mmdebstrap',
  }).catch(error => {
    if (error instanceof LabError) throw error
    const hint = 'it is installed from a Debian mirror, which must be reachable'
    throw new LabError(`the lab's ${name} image could not be made: ${error.message}`, hint, error)
  })
}

function mmdebstrapArguments({ name, packages, prepare }: Installation, work: string): string[] {
  return [
    '--variant=minbase',
    `--include=${packages.join(',')}`,
    ...LEFT_OUT.map(path => `--dpkgopt=path-exclude=${path}`),
    `--customize-hook=${shellQuote(prepare)} "$1"`,
    `--customize-hook=sync-out /lab-packages ${shellQuote(join(work, 'packages'))}`,
    '--customize-hook=rm -r "$1/lab-packages"',
    SUITES[name],
    join(work, 'root.tar'),
  ]
}

/**
 * Hashes everything that an installation depends on, so that a new recipe never gets an old image of the cache.
 * @param files further files that belong to the recipe.
 */
export async function recipeDigest(
  installation: Installation,
  { packageSourceUrl }: ImageOptions,
  files: string[] = [],
): Promise<string> {
  const { name, packages, prepare } = installation
  const hash = createHash('sha256').update(
    JSON.stringify([name, packages, OFFERED, LEFT_OUT, packageSourceUrl]),
  )
  for (const file of [prepare, PACKAGES_SCRIPT, ...files]) hash.update(await readFile(file))
  return hash.digest('hex').slice(0, 16)
}

/** Quotes a word for the shell that mmdebstrap runs hooks with. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
