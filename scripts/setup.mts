import { runMain } from './lib/run/main.mts'
import { setupCommand } from './lib/tools/command.mts'

await runMain(setupCommand)
