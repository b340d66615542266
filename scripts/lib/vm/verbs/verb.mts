/** A verb of `vm`: what it needs opened, and the function that does it. */
import type { Entry } from '../../registry/entry.mts'
import type { RegistryStore } from '../../registry/store.mts'
import type { Answer } from '../../run/answer.mts'
import type { Arguments } from '../../run/command-line.mts'
import type { Site } from '../../site/site.mts'

/** What a verb works with. A verb that needs Proxmox calls `openContext` once its arguments are checked. */
interface Work {
  store: RegistryStore
  site: Site
  signal: AbortSignal
}

/** Verbs by their name on the command line. */
export type Verbs = Record<string, (work: Work, args: Arguments) => Promise<Answer>>

/** The command, for usage errors. */
export const vmSpec = { name: 'vm' }

/** `expires 2026-12-22T09:00:00.000Z`, or `never expires`. */
export function expiryText({ expiresAt }: Entry): string {
  return expiresAt === null ? 'never expires' : `expires ${expiresAt}`
}
