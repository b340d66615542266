/** A cluster from a YAML file. */

import { readFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { LabUsageError } from '../core/lab-error.mts'
import { checkCluster } from './check.mts'
import type { ClusterDescription } from './description.mts'

function parsed(path: string, text: string): unknown {
  try {
    return parse(text)
  } catch (error) {
    throw new LabUsageError(
      `${path}: ${(error as Error).message.split('\n')[0]}`,
      'write YAML with `nodes:` and `storages:`',
      error,
    )
  }
}

/** @throws {LabUsageError} that names the file and the path of the first mistake. */
export async function readCluster(path: string): Promise<ClusterDescription> {
  const text = await readFile(path, 'utf8').catch(error => {
    throw new LabUsageError(
      `${path} cannot be read: ${error.message}`,
      '--cluster takes a YAML file with the nodes and storages',
      error,
    )
  })
  const description = parsed(path, text)
  try {
    checkCluster(description)
  } catch (error) {
    const { message, hint } = error as LabUsageError
    throw new LabUsageError(`${path}: ${message}`, hint, error)
  }
  return description as ClusterDescription
}
