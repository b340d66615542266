import { testTorture } from '../unit/registry/torture.mts'

testTorture({ processes: 16, operations: 100, trials: 300 })
