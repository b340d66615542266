/** `node tools/rebuild/run.mts BRANCH`, for `.github/workflows/rebuild.yml`. */
import { formatError, ProxmintError } from '../../scripts/lib/run/errors.mts'
import { takeOver } from './take-over.mts'

try {
  console.log(await takeOver(process.argv[2]!))
} catch (error) {
  console.error(formatError(error))
  process.exitCode = error instanceof ProxmintError ? error.exitCode : 1
}
