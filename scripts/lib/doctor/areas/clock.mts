import { measureSkew } from '../../proxmox/clock.mts'
import type { DoctorCheck } from '../check.mts'
import { ok } from '../diagnosis.mts'
import { lookInProxmox } from '../session.mts'

const TOLERABLE_SKEW_MS = 30_000

/** Milliseconds by which Proxmox's clock is ahead of this machine's; undefined if it does not report its time. */
export const clock: DoctorCheck<number | undefined> = {
  area: 'clock',
  look: ({ session }) => lookInProxmox(session, ({ client }) => measureSkew(client)),
  judge: aheadMs => {
    const area = 'clock'
    if (aheadMs === undefined) return [{ area, level: 'unknown', what: "a proxy hides Proxmox's clock" }]
    const seconds = Math.round(Math.abs(aheadMs) / 1000)
    const direction = aheadMs > 0 ? 'ahead of' : 'behind'
    const what = `Proxmox's clock is ${seconds} s ${direction} that of this machine`
    if (Math.abs(aheadMs) < TOLERABLE_SKEW_MS) return [ok(area, seconds < 2 ? 'both clocks agree' : what)]
    const fix =
      'on whichever is wrong: timedatectl set-ntp true (tickets, certificates and expiry go by the clock)'
    return [{ area, level: 'fault', what, fix }]
  },
}
