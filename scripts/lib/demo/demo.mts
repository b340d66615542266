import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { type Step, type TimedStep, timed } from '../journey/timed-steps.mts'
import { passwordClient } from '../proxmox/client.mts'
import { interrupted } from '../run/errors.mts'
import { appendPrivilege, encryptCredentials, privilege, withoutPrivilege } from './credentials.mts'
import { type Demo, image, labConfig, prepareWorkspace, shell, startLab } from './lab.mts'
import { demonstrateVersions } from './templates.mts'
import { demonstrateVms } from './vms.mts'

/**
 * The main job, once, on a lab of its own: credentials, base image, a permission that is missing, the build
 * with the real Packer, the versions of the VM template, and VMs that open with their owners' wallets. Every command is the one a person types.
 * @param output takes what a person reads; it must be one of this process's own streams.
 * @param guests simulated, or real machines, where it all takes a quarter of an hour.
 */
export async function demonstrate(
  output: Writable,
  guests: 'sim' | 'qemu',
  signal: AbortSignal,
): Promise<TimedStep[]> {
  const steps: TimedStep[] = []
  const step = async <T,>(name: string, work: () => Promise<T>): Promise<T> => {
    if (signal.aborted) throw interrupted('demo')
    output.write(`\n== ${name}\n`)
    const result = await timed(steps, name, work)
    output.write(`== ${name}: ${steps.at(-1)!.seconds.toFixed(1)} s\n`)
    return result
  }
  const workspace = await prepareWorkspace()
  const lab = await step('start an embedded Proxmox VE', () => startLab(output, guests))
  try {
    const root = passwordClient(lab, { user: 'root@pam', password: lab.rootPassword })
    await run({ lab, root, workspace, output, signal }, step)
  } finally {
    await step('stop the embedded Proxmox VE', () => lab.close()).catch(() => lab.close())
  }
  return steps
}

async function run(demo: Demo, step: Step): Promise<void> {
  const $ = shell(demo)
  await writeFile(join(demo.workspace, 'config/proxmint.yaml'), labConfig(demo.lab))
  await step('encrypt its credentials with SOPS and age', () => encryptCredentials(demo))
  await step(`import the ${image} cloud image as base VM`, () => $`zx scripts/base.mts import ${image}`)
  const role = await step(`take ${privilege} away, and let the check find out`, () => withoutPrivilege(demo))
  await step(`give ${privilege} back`, () => appendPrivilege(demo, role))
  await demonstrateVersions(demo, step)
  await demonstrateVms(demo, step)
}
