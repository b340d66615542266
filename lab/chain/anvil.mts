import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { LabError } from '../core/lab-error.mts'

/** As npm names them. */
const platforms: Record<string, string> = {
  'linux-x64': 'linux-amd64',
  'linux-arm64': 'linux-arm64',
}

/** The program itself, inside the npm package of this platform. Rejects where npm installed none. */
export function anvilPath(): string {
  const platform = platforms[`${process.platform}-${process.arch}`]
  const require = createRequire(import.meta.url)
  try {
    return join(dirname(require.resolve(`@foundry-rs/anvil-${platform}/package.json`)), 'bin', 'anvil')
  } catch (error) {
    throw new LabError(
      `the lab's chain is not installed for ${process.platform} on ${process.arch}`,
      platform === undefined
        ? 'Foundry has no anvil for this platform in npm'
        : `npm install --no-save @foundry-rs/anvil-${platform}@1.7.1`,
      error as Error,
    )
  }
}
