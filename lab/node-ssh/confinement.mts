/** Confines commands on the node to the storages. */

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../core/process.mts'
import type { LabNetwork } from '../network/lab-network.mts'

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
}

function script(name: string): string {
  return join(import.meta.dirname, name)
}

/** Confines by namespaces if the lab has a network of its own, otherwise by chroot. */
export function confine(network: LabNetwork['kind'], place: Place): Promise<Confinement> {
  return network === 'bridge' ? confineByNamespaces(place) : confineByChroot(place)
}

async function confineByNamespaces({ storagesFolder, runFolder }: Place): Promise<Confinement> {
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
      command,
    ],
    end: async () => undefined,
  }
}

/** Programs that clients of the API run, and some to look around with. */
const PROGRAMS = 'bash env setpriv tee id cat ls cp mv rm mkdir chmod ln wc rmdir'.split(' ')

async function confineByChroot({ storagesFolder }: Place): Promise<Confinement> {
  await run('bash', [script('programs.sh'), storagesFolder, ...PROGRAMS])
  const drop = [
    '--inh-caps=-all',
    '--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid',
    '--no-new-privs',
  ]
  const environment = [`HOME=${storagesFolder}`, 'PATH=/usr/bin:/bin', 'USER=root', 'LOGNAME=root']
  return {
    argv: command => [
      ...['chroot', storagesFolder, '/usr/bin/env', '-i', ...environment],
      ...['/usr/bin/setpriv', ...drop, '/bin/bash', '-c', command],
    ],
    end: () => removePrograms(storagesFolder),
  }
}

/** Removes the copied programs. `rm` removes links and does not follow them. */
async function removePrograms(storagesFolder: string): Promise<void> {
  const own = ['usr', 'bin', 'lib', 'lib64', 'dev', storagesFolder.split('/')[1]!]
  await Promise.all(own.map(name => rm(join(storagesFolder, name), { recursive: true, force: true })))
}
