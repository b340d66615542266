import { which } from 'zx/core'
import { toolNames } from '../../tools/pins.mts'
import type { DoctorCheck } from '../check.mts'
import { type Diagnosis, ok } from '../diagnosis.mts'
import { lookAt, requireValue } from '../look.mts'
import type { SharedLooks } from '../shared.mts'

interface ProgramFact {
  name: string
  /** Undefined if nothing usable was found. */
  version: string | undefined
  /** Programs that were found and cannot be used, each with the reason. */
  rejected: string[]
  fix: string
}

/** Packer, sops, age, OpenTofu and ssh: there, and new enough. */
export const tools: DoctorCheck<ProgramFact[]> = {
  area: 'tools',
  look: shared => lookAt(() => findPrograms(shared)),
  judge: programs => {
    const found = programs.filter(({ version }) => version !== undefined)
    const missing = programs.filter(({ version }) => version === undefined)
    const versions = found.map(({ name, version }) => `${name} ${version}`)
    return [ok('tools', versions.join(', ') || 'none'), ...missing.map(missingProgram)]
  },
}

async function findPrograms({ searches }: SharedLooks): Promise<ProgramFact[]> {
  const pinned = requireValue(await searches).map(({ tool, rejected }, index): ProgramFact => {
    const name = toolNames[index]!
    return { name, version: tool?.version, rejected, fix: `zx scripts/setup.mts --only ${name}` }
  })
  const ssh = await which('ssh', { nothrow: true })
  const fix = 'install the OpenSSH client; Debian: apt install openssh-client'
  return [...pinned, { name: 'ssh', version: ssh === null ? undefined : 'installed', rejected: [], fix }]
}

function missingProgram({ name, rejected, fix }: ProgramFact): Diagnosis {
  const facts = Object.fromEntries(rejected.map((reason, index) => [`found ${index + 1}`, reason]))
  return { area: 'tools', level: 'fault', what: `${name} is not installed, or not usable`, facts, fix }
}
