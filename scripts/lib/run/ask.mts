import { createInterface } from 'node:readline/promises'
import { printable } from './printable.mts'

interface Terminal {
  input: NodeJS.ReadableStream
  output: NodeJS.WritableStream
  /** Raw mode (key by key). Default: on if the output is a terminal. */
  terminal?: boolean
}

/** Asks a person. @returns The answer; undefined after Ctrl-C, Ctrl-D or an abort. */
export async function ask(
  question: string,
  signal: AbortSignal,
  terminal: Terminal = { input: process.stdin, output: process.stderr },
): Promise<string | undefined> {
  const asking = createInterface(terminal)
  const closed = new AbortController()
  asking.on('close', () => closed.abort())
  asking.on('SIGINT', () => asking.close())
  try {
    return await asking.question(printable(question), { signal: AbortSignal.any([signal, closed.signal]) })
  } catch (error) {
    if (signal.aborted || closed.signal.aborted) return undefined
    throw error
  } finally {
    asking.close()
  }
}
