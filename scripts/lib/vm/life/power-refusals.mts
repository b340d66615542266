/** Why the power of a VM is left as it is. */
import type { ShutdownOptions } from '../../proxmox/shutdown-vm.mts'
import { expiryDay } from '../../registry/due.mts'
import type { Entry } from '../../registry/entry.mts'
import { exitCodes, messageOf, ProxmintError } from '../../run/errors.mts'

export function notReady({ name, phase }: Entry, verb: string): ProxmintError {
  const isSuspended = phase === 'suspended'
  return new ProxmintError(`${name} is ${phase}: there is nothing to ${verb}`, {
    hint: isSuspended
      ? `it is off since it expired; to power it on: zx scripts/vm.mts resume ${name} --days N`
      : `it is not made yet; to make it: zx scripts/apply.mts ${name}`,
    exitCode: exitCodes.usage,
  })
}

/** Its root disk may be detached. */
export function betweenDisks({ name, rebuild }: Entry): ProxmintError {
  return new ProxmintError(`the ${rebuild?.kind} of ${name} is not finished: it may have no root disk now`, {
    hint: `first zx scripts/apply.mts ${name}; or, to have the system of before: zx scripts/vm.mts rebuild ${name} --undo`,
    exitCode: exitCodes.usage,
  })
}

export function notThere({ name, vmid }: Entry): ProxmintError {
  return new ProxmintError(`VM ${vmid} of ${name} is not in Proxmox any more`, {
    hint: `somebody destroyed it; to bring it back from its backup or to give it up: zx scripts/vm.mts show ${name}`,
  })
}

export function isStopped({ name }: Entry): ProxmintError {
  return new ProxmintError(`${name} is stopped: there is nothing to restart`, {
    hint: `to power it on: zx scripts/vm.mts start ${name}`,
    exitCode: exitCodes.usage,
  })
}

export function notRunning({ name, vmid }: Entry): ProxmintError {
  return new ProxmintError(`VM ${vmid} of ${name} is off, although nobody stopped it here`, {
    hint: `to power it on: zx scripts/vm.mts start ${name}; to leave it off: zx scripts/vm.mts stop ${name}`,
    exitCode: exitCodes.usage,
  })
}

export function expiredBefore(entry: Entry): ProxmintError {
  const { name } = entry
  return new ProxmintError(`${name} expired on ${expiryDay(entry)}: gc would suspend it again`, {
    hint: `first zx scripts/vm.mts extend ${name} --days N`,
    exitCode: exitCodes.usage,
  })
}

/** The manager cuts the power after the time: its order knows no other way (`shutdown` in PVE/HA/Resources/PVEVM.pm). */
export function managedByHa({ name, vmid }: Entry, { seconds }: ShutdownOptions): ProxmintError {
  return new ProxmintError(
    `high availability manages VM ${vmid} of ${name}, and cuts the power of a guest that takes longer than ${seconds} s`,
    {
      hint:
        `nothing was touched; to agree to that: zx scripts/vm.mts stop ${name} --hard, with a longer --timeout if it needs ` +
        'one; or power the guest off from inside after its state in Datacenter > HA is "ignored"',
      exitCode: exitCodes.invalid,
    },
  )
}

export function runsOn({ name }: Entry, { seconds, hard }: ShutdownOptions, cause: unknown): ProxmintError {
  const force = hard ? '' : `; to cut its power after that time, as if by the plug: --hard`
  return new ProxmintError(`${name} was not stopped, and runs on: ${messageOf(cause)}`, {
    facts: { waited: `${seconds} s` },
    hint:
      'its guest was asked, and may still power off: look at its console in Proxmox. To give it longer: ' +
      `zx scripts/vm.mts stop ${name} --timeout SECONDS${force}`,
    cause,
  })
}
