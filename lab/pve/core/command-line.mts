/** Command lines of the node that are operations of the API, as Proxmox's own commands are (PVE/CLIHandler.pm). */

import type { NodeCommand } from '../../node-ssh/commands.mts'
import { ApiError, failure } from './errors.mts'
import { type RawParameters, validate } from './parameters.mts'
import type { Caller } from './permission.mts'
import type { Pve } from './pve.mts'
import type { Route } from './route.mts'
import { endedWithin } from './task.mts'

/** An operation of the API as a command. Root runs it. */
export interface Subcommand {
  /** Method and path of a route. */
  operation: string
  /** Parameters that have no name on the command line. */
  ordered: readonly string[]
  /** Writes the answer as text. Default: nothing is printed. */
  print?(result: unknown): string
}

/** Reads `--key value`, `--key=value` and the arguments in order. @throws {ApiError} for too few or too many. */
export function readArguments(args: string[], ordered: readonly string[]): RawParameters {
  const raw: RawParameters = {}
  const rest: string[] = []
  const left = [...args]
  while (left.length > 0) {
    const argument = left.shift()!
    const [, key, value] = /^--?([a-z][\w-]*)(?:=(.*))?$/s.exec(argument) ?? []
    // A flag may stand at the end alone: that is 1.
    if (key !== undefined) raw[key] = value ?? left.shift() ?? '1'
    else rest.push(argument)
  }
  if (rest.length > ordered.length) throw failure('too many arguments')
  if (rest.length < ordered.length) throw failure('not enough arguments')
  return { ...raw, ...Object.fromEntries(rest.map((value, index) => [ordered[index], value])) }
}

function rootOf(pve: Pve): Caller {
  return { authid: 'root@pam', access: pve.store.state.access, version: pve.version }
}

/**
 * Runs an operation of the API, and waits for the worker that it starts.
 * @param place parameters that the command line does not name, such as the node.
 * @throws {ApiError} of the operation or its worker.
 */
export async function runOperation(
  pve: Pve,
  { parameters, handle }: Route,
  raw: RawParameters,
): Promise<unknown> {
  const params = validate(parameters, raw) as never
  const result = await handle({ pve, caller: rootOf(pve), params, raw, upload: undefined })
  // The command line shows the end of the worker that was started.
  if (typeof result === 'string' && result.startsWith('UPID:'))
    await endedWithin(pve.tasks, result, Number.POSITIVE_INFINITY)
  await pve.store.save()
  return result
}

function textOf(error: unknown): string {
  if (!(error instanceof ApiError) || error.errors === undefined) return (error as Error).message
  const lines = Object.entries(error.errors).map(([key, fault]) => `${key}: ${fault.trimEnd()}`)
  return ['400 Parameter verification failed.', ...lines].join('\n')
}

/** Makes a command of what returns its output. Errors go to the second output with exit code 255. */
export function nodeCommand(outputOf: (args: string[]) => Promise<string>): NodeCommand {
  return async args => {
    try {
      return { code: 0, stdout: await outputOf(args), stderr: '' }
    } catch (error) {
      return { code: 255, stdout: '', stderr: `${textOf(error).trimEnd()}\n` }
    }
  }
}
