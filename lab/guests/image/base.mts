import { createHash, randomUUID } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { LabError } from '../../lab-error.mts'
import { run } from '../../process.mts'
import { cachedFolder } from './cache.mts'
import type { ImageName, ImageOptions } from './image.mts'

/** A Debian installation without the lab's own files, and the packages its guests can install. */
export interface Base {
  rootTar: string
  partuuid: string
  /** A flat apt repository. */
  packages: string
}

const SUITES: Record<ImageName, string> = { 'debian-12': 'bookworm', 'debian-13': 'trixie' }

const IN_IMAGE = ['ca-certificates', 'iproute2', 'openssh-client', 'openssh-server', 'procps', 'sudo']

/** Stands in for systemd, whose place the lab's own commands take. */
const ALSO_IN_IMAGE: Record<ImageName, string[]> = {
  'debian-12': [],
  'debian-13': ['systemd-standalone-sysusers'],
}

/** Kept out of the image, as in Debian's; guests install them from the lab's package source. */
const IN_PACKAGE_SOURCE = ['qemu-guest-agent']

/** Documentation and translations: half of the files, of no use in a lab. */
const LEFT_OUT = ['/usr/share/doc/*', '/usr/share/man/*', '/usr/share/locale/*', '/usr/share/info/*']

const PREPARE = join(import.meta.dirname, 'prepare.sh')

/** The cached installation, made by mmdebstrap in about half a minute where it is missing. */
export async function ensureBase(name: ImageName, options: ImageOptions): Promise<Base> {
  const folder = await cachedFolder(`bases/${name}-${await recipeDigest(name, options)}`, work => {
    options.onBuild?.(name)
    return install(name, work, `${options.packageSourceUrl}/${name}`)
  })
  return {
    rootTar: join(folder, 'root.tar'),
    partuuid: (await readFile(join(folder, 'partuuid'), 'utf8')).trim(),
    packages: join(folder, 'packages'),
  }
}

async function install(name: ImageName, work: string, packageSource: string): Promise<void> {
  const partuuid = randomUUID()
  const packages = join(work, 'packages')
  await mkdir(packages)
  await run('mmdebstrap', mmdebstrapArguments(name, packages, join(work, 'root.tar')), {
    env: {
      ...process.env,
      PARTUUID: partuuid,
      PACKAGES: IN_PACKAGE_SOURCE.join(' '),
      PACKAGE_SOURCE: packageSource,
    },
    missing: 'the lab makes its images with mmdebstrap; install the package mmdebstrap',
  }).catch(error => {
    if (error instanceof LabError) throw error
    const hint = 'it is installed from a Debian mirror, which must be reachable'
    throw new LabError(`the lab's ${name} image could not be made: ${error.message}`, hint, error)
  })
  await writeFile(join(work, 'partuuid'), `${partuuid}\n`)
}

function mmdebstrapArguments(name: ImageName, packages: string, target: string): string[] {
  return [
    '--variant=minbase',
    `--include=${[...IN_IMAGE, ...ALSO_IN_IMAGE[name]].join(',')}`,
    ...LEFT_OUT.map(path => `--dpkgopt=path-exclude=${path}`),
    `--customize-hook=${shellQuote(PREPARE)} "$1"`,
    `--customize-hook=sync-out /lab-packages ${shellQuote(packages)}`,
    '--customize-hook=rm -r "$1/lab-packages"',
    SUITES[name],
    target,
  ]
}

/** Changes with whatever goes into the installation, so that a new recipe never meets an old cache. */
async function recipeDigest(name: ImageName, options: ImageOptions): Promise<string> {
  const recipe = [name, IN_IMAGE, ALSO_IN_IMAGE[name], IN_PACKAGE_SOURCE, LEFT_OUT, options.packageSourceUrl]
  const hash = createHash('sha256')
    .update(JSON.stringify(recipe))
    .update(await readFile(PREPARE))
  return hash.digest('hex').slice(0, 16)
}

/** mmdebstrap hands hooks to a shell. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
