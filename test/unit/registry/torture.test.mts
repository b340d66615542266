import { testTorture } from './torture.mts'

// The full size takes minutes: test/nightly/torture.test.mts.
testTorture({ processes: 5, operations: 30, trials: 15 })
