import type { ToolName } from './pins.mts'

/**
 * One way to install a tool.
 * @throws ProxmintError whose message says why this way is closed or failed; the next one is tried then.
 */
export type Installer = (name: ToolName, signal: AbortSignal) => Promise<void>
