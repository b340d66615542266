import { followScenes } from './documents/follow.mts'
import { scenes } from './documents/scenes.mts'

// What a reader does first, which takes no guest. The other scenes take minutes: test/nightly/documents.test.mts.
followScenes(scenes.slice(0, 1), { guests: 'none', images: [] })
