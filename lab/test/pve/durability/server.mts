/** A server in a process of its own, to be killed. Tells its parent where it is, or why it is not. */

import { createNoneDriver } from '../../../guests/none.mts'
import { createPveServer, type PveServerOptions } from '../../../pve/server.mts'

export type Told = { url: string; caFile: string } | { message: string; hint: string | undefined }

process.on('message', async (options: Omit<PveServerOptions, 'driver' | 'listen'>) => {
  try {
    const listen = { host: '127.0.0.1', port: 0 }
    const { url, caFile } = await createPveServer({ ...options, listen, driver: createNoneDriver() })
    process.send!({ url, caFile } satisfies Told)
  } catch (error) {
    const { message, hint } = error as Error & { hint?: string }
    process.send!({ message, hint } satisfies Told)
    process.disconnect?.()
  }
})
process.on('disconnect', () => process.exit())
