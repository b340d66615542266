/** Rooms of the lab, the lowest level first: see `test/rooms/check-levels.mts`. */
export const LAB_ROOMS = {
  levels: [
    ['core'],
    ['images'],
    ['network'],
    ['chain', 'guests', 'node-ssh'],
    ['guests/qemu', 'guests/sim', 'pve/core'],
    ['cluster', 'pve/access', 'pve/faults'],
    ['pve/http', 'pve/storage', 'pve/tasks'],
    ['pve/vm'],
    ['pve/nodes', 'pve/pools'],
    ['pve/cluster'],
    ['pve'],
    ['.', 'pve/api-coverage'],
  ],
  apart: ['dist', 'test'],
} as const
