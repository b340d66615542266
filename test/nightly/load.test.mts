import { testLoad } from '../lab/pve/load.mts'

testLoad({ clients: 64, requests: 10_000, judgesMemory: true })
