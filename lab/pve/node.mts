/** The node itself: the machine the lab runs on. */

import { cpus, freemem, loadavg, release, totalmem } from 'node:os'
import type { Pve } from './pve.mts'
import { releaseOf } from './routes/version.mts'

const uptimeOf = (pve: Pve) => Math.max(1, Math.floor((Date.now() - pve.startedAt) / 1000))

/** What lists show of a node. Memory in bytes, CPU as a fraction of all cores. */
export const nodeUsage = (pve: Pve) => ({
  cpu: Math.min(1, (loadavg()[0] ?? 0) / cpus().length),
  maxcpu: cpus().length,
  mem: totalmem() - freemem(),
  maxmem: totalmem(),
  uptime: uptimeOf(pve),
  level: '',
})

function memory() {
  const [total, free] = [totalmem(), freemem()]
  return { total, free, available: free, used: total - free }
}

const processors = () => ({
  model: cpus()[0]?.model ?? 'unknown',
  cpus: cpus().length,
  cores: cpus().length,
  sockets: 1,
})

/** `/nodes/{node}/status`; `root` is the file system the lab's folder lies on. */
export const nodeStatus = (pve: Pve, root: { total: number; used: number; avail: number }) => ({
  uptime: uptimeOf(pve),
  cpu: nodeUsage(pve).cpu,
  wait: 0,
  loadavg: loadavg().map(load => load.toFixed(2)),
  memory: memory(),
  swap: { total: 0, free: 0, used: 0 },
  rootfs: { ...root, free: root.avail },
  cpuinfo: processors(),
  'current-kernel': { sysname: 'Linux', release: release(), version: '#1 SMP', machine: 'x86_64' },
  'boot-info': { mode: 'legacy-bios' },
  kversion: `Linux ${release()}`,
  pveversion: `pve-manager/${releaseOf(pve).version}/${releaseOf(pve).repoid}`,
})
