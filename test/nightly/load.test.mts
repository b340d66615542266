import { testLoad } from '../../lab/test/pve/load.mts'

testLoad({ clients: 64, requests: 10_000, judgesMemory: true })
