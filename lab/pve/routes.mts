/** All operations of the server. Any other request gets 501, as an unknown operation does from Proxmox. */

import { accessAclRoutes } from './access/acl-routes.mts'
import { accessRealmRoutes } from './access/realm-routes.mts'
import { accessRoleRoutes } from './access/role-routes.mts'
import { accessRoutes } from './access/routes.mts'
import { accessTfaRoutes } from './access/tfa-routes.mts'
import { accessTokenRoutes } from './access/token-routes.mts'
import { accessUserRoutes } from './access/user-routes.mts'
import { clusterRoutes } from './cluster/routes.mts'
import type { Route } from './core/route.mts'
import { nodeRoutes } from './nodes/routes.mts'
import { versionRoutes } from './nodes/version.mts'
import { poolRoutes } from './pools/routes.mts'
import { storageConfigRoutes } from './storage/config-routes.mts'
import { storageContentRoutes } from './storage/content-routes.mts'
import { storagePruneRoutes } from './storage/prune-routes.mts'
import { storageRoutes } from './storage/routes.mts'
import { storageTransferRoutes } from './storage/transfer-routes.mts'
import { nodeTaskRoutes } from './tasks/routes.mts'
import { qemuAgentRoutes } from './vm/agent-routes.mts'
import { backupRoutes } from './vm/backup-routes.mts'
import { qemuConfigRoutes } from './vm/config-routes.mts'
import { qemuCreateRoutes } from './vm/create-routes.mts'
import { qemuDiskRoutes } from './vm/disk-routes.mts'
import { qemuLookRoutes } from './vm/look-routes.mts'
import { qemuRoutes } from './vm/routes.mts'
import { qemuSnapshotRoutes } from './vm/snapshot-routes.mts'
import { qemuStatusRoutes } from './vm/status-routes.mts'

export const routes: readonly Route[] = [
  ...accessRoutes,
  ...accessRealmRoutes,
  ...accessTfaRoutes,
  ...accessUserRoutes,
  ...accessTokenRoutes,
  ...accessRoleRoutes,
  ...accessAclRoutes,
  ...poolRoutes,
  ...versionRoutes,
  ...clusterRoutes,
  ...nodeRoutes,
  ...nodeTaskRoutes,
  ...storageConfigRoutes,
  ...storageRoutes,
  ...storageContentRoutes,
  ...storagePruneRoutes,
  ...storageTransferRoutes,
  ...qemuCreateRoutes,
  ...qemuRoutes,
  ...qemuLookRoutes,
  ...qemuConfigRoutes,
  ...qemuStatusRoutes,
  ...qemuDiskRoutes,
  ...qemuSnapshotRoutes,
  ...qemuAgentRoutes,
  ...backupRoutes,
]
