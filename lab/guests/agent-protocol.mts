/** The protocol of the QEMU guest agent: one JSON document per line. */

import { AgentCommandFailed } from './driver.mts'

interface Answer {
  return?: unknown
  error?: { class: string; desc: string }
}

export function agentRequest(command: string, args: Record<string, unknown>): string {
  const request = Object.keys(args).length > 0 ? { execute: command, arguments: args } : { execute: command }
  return `${JSON.stringify(request)}\n`
}

/** Reads the `return` value of an answer. @throws {AgentCommandFailed} with the agent's own text. */
export function agentResult(line: string): unknown {
  const answer = JSON.parse(line) as Answer
  if (answer.error) throw new AgentCommandFailed(answer.error.desc)
  return answer.return
}

/** Counters of a network card in the answer to `guest-network-get-interfaces`, for a guest without real traffic. */
export const NO_TRAFFIC = Object.fromEntries(
  ['rx', 'tx'].flatMap(way => ['bytes', 'dropped', 'errs', 'packets'].map(what => [`${way}-${what}`, 0])),
)
