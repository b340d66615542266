import { followScenes } from '../e2e/documents/follow.mts'
import { scenes } from '../e2e/documents/scenes.mts'

followScenes(scenes, {
  chain: true,
  images: ['debian-12', 'debian-13'],
  cluster: {
    nodes: [{ name: 'pve' }, { name: 'pve2' }],
    storages: [
      { id: 'local', type: 'dir', content: ['iso', 'snippets', 'import'] },
      { id: 'tank', type: 'zfspool', content: ['images', 'rootdir'], size: 200 },
    ],
  },
})
