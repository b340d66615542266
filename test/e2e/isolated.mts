import { run } from '../../lab/core/process.mts'
import { chooseIsolation } from '../../lab/network/isolation.mts'
import { isolatedCommand } from '../../lab/network/namespace.mts'

/** Runs a program as the lab's root, whose user ids may be mapped: it may copy and remove what guests own. */
export async function runAsLabRoot(command: string[]): Promise<void> {
  const [file, ...args] = isolatedCommand(await chooseIsolation(), command)
  await run(file!, args)
}
