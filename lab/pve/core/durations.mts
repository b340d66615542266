/** How long simulated work takes at time scale 1, in seconds. Real copying and booting come on top. */

export const DURATIONS = {
  create: 1,
  /** Before a clone's worker looks at its target: two clones of one id can both get this far. */
  cloneFork: 0.1,
  cloneFull: 4,
  cloneLinked: 1,
  start: 1,
  stop: 1,
  template: 1,
  destroy: 1,
  config: 0.2,
  moveDisk: 4,
  migrate: 2,
  transfer: 1,
} as const
