import { testLoad } from './load.mts'

// The full size takes a minute or more: test/nightly/load.test.mts.
testLoad({ clients: 64, requests: 1500, judgesMemory: false })
