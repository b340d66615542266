/** Confines commands on the node to the storages. */

import { mkdir, readFile, realpath, rm, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { run } from '../core/process.mts'
import type { LabNetwork } from '../network/lab-network.mts'
import { atBeneath, type NodeError } from './beneath.mts'
import type { Mount } from './mounts.mts'

export interface Confinement {
  /** Returns the argv that runs `command` by bash and sees nothing but the storages and programs. */
  argv(command: string): string[]
  /** Removes what was put beside the storages. */
  end(): Promise<void>
}

interface Place {
  /** Absolute path. Commands can change only files below it. */
  storagesFolder: string
  /** Folder for an empty root directory. */
  runFolder: string
  /** Reads the paths of the storages on the node. They lead to the folders by links inside the confinement. */
  mounts(): Mount[]
  /** Commands of the node that scripts stand for. */
  commands: Readonly<Record<string, unknown>>
}

/** Returns the last part of an argv: makes the links and the scripts, then runs the command. */
async function withinArgs({ mounts, commands }: Place): Promise<(command: string) => string[]> {
  const [within, program] = await Promise.all(
    ['within.sh', 'program.sh'].map(name => readFile(script(name), 'utf8')),
  )
  const names = Object.keys(commands).join(' ')
  return command => [
    ...['/bin/bash', '-c', within!, 'bash', program!, command, names],
    ...mounts().flatMap(({ at, folder }) => [at, folder]),
  ]
}

function script(name: string): string {
  return join(import.meta.dirname, name)
}

/** Confines by namespaces if the lab has a network of its own, otherwise by chroot. */
export function confine(network: LabNetwork['kind'], place: Place): Promise<Confinement> {
  return network === 'bridge' ? confineByNamespaces(place) : confineByChroot(place)
}

async function confineByNamespaces(place: Place): Promise<Confinement> {
  const { storagesFolder, runFolder } = place
  const within = await withinArgs(place)
  const root = join(runFolder, 'node-root')
  await mkdir(root, { recursive: true })
  // --net without setting it up: commands get no network. It also hides the abstract sockets of the lab.
  const namespaces = ['--mount', '--pid', '--net', '--ipc', '--fork', '--kill-child']
  return {
    argv: command => [
      'unshare',
      ...namespaces,
      '--',
      'bash',
      script('confine.sh'),
      root,
      storagesFolder,
      ...within(command),
    ],
    end: async () => undefined,
  }
}

/** Programs that clients of the API run, and some to look around with. */
const PROGRAMS = 'bash env setpriv tee id cat ls cp mv rm mkdir chmod ln wc rmdir grep cut'.split(' ')

async function confineByChroot(place: Place): Promise<Confinement> {
  const { storagesFolder } = place
  const within = await withinArgs(place)
  const copies = await run('bash', [script('programs.sh'), storagesFolder, ...PROGRAMS])
  const drop = [
    '--inh-caps=-all',
    '--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid',
    '--no-new-privs',
  ]
  const environment = [`HOME=${storagesFolder}`, 'PATH=/usr/sbin:/usr/bin:/bin', 'USER=root', 'LOGNAME=root']
  return {
    argv: command => [
      ...['chroot', storagesFolder, '/usr/bin/env', '-i', ...environment],
      ...['/usr/bin/setpriv', ...drop, ...within(command)],
    ],
    end: () => removePrograms(place, copies.split('\n').filter(Boolean)),
  }
}

/** Removes the copied programs, and the links to storages. A storage may be named `usr`: of that, nothing else is removed. */
async function removePrograms({ storagesFolder, mounts, commands }: Place, copies: string[]): Promise<void> {
  const kept = mounts().map(({ folder }) => basename(folder))
  const root = await realpath(storagesFolder)
  const made = [
    ...mounts().map(({ at }) => resolve(at)),
    ...copies.map(copy => `/${relative(root, copy)}`),
    ...Object.keys(commands).flatMap(name => [`/run/pve/${name}`, `/usr/sbin/${name}`]),
    storagesFolder,
  ]
  for (const path of made) await removeMade(storagesFolder, path, kept)
  await unlessInUse(() => removeEmpty(storagesFolder, '/usr/sbin', kept))
  const own = ['usr', 'bin', 'lib', 'lib64', 'dev', 'run', storagesFolder.split('/')[1]!]
  const left = own.filter(name => !kept.includes(name)).map(name => join(storagesFolder, name))
  await Promise.all(left.map(path => rm(path, { recursive: true, force: true })))
}

/**
 * Removes a link or a file, and the folders above it that are empty then. A client of the API chooses the path of a
 * storage, so that it can also be the folder of another storage, or in one: folders of storages stay.
 * @param kept names of the folders of storages.
 */
async function removeMade(root: string, path: string, kept: string[]): Promise<void> {
  await unlessInUse(async () => {
    await atBeneath(root, below(path), unlink)
    await removeEmpty(root, dirname(path), kept)
  })
}

/** Removes a folder, and those above it that are empty then. */
async function removeEmpty(root: string, from: string, kept: string[]): Promise<void> {
  for (let folder = from; folder !== '/' && !kept.includes(folder.slice(1)); folder = dirname(folder))
    await atBeneath(root, below(folder), rmdir)
}

function below(absolute: string): string {
  return `.${absolute}`
}

/** What is not there, is somebody's or has something in it stays. */
async function unlessInUse(work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    const { code } = error as NodeError
    if (!['ENOENT', 'ENOTDIR', 'ELOOP', 'ENOTEMPTY', 'EISDIR', 'EPERM'].includes(code ?? '')) throw error
  }
}
