import { testTorture } from '../unit/registry/torture.mts'

testTorture({ processes: 16, operations: 200, trials: 300 })
