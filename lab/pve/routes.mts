/** All operations of the server. Any other request gets 501, as an unknown operation does from Proxmox. */

import { accessAclRoutes } from './access/acl-routes.mts'
import { accessRealmRoutes } from './access/realm-routes.mts'
import { accessRoleRoutes } from './access/role-routes.mts'
import { accessRoutes } from './access/routes.mts'
import { accessTfaRoutes } from './access/tfa-routes.mts'
import { accessTokenRoutes } from './access/token-routes.mts'
import { accessUserRoutes } from './access/user-routes.mts'
import { acmeRoutes } from './cluster/acme.mts'
import { backupJobRoutes } from './cluster/backup-jobs.mts'
import { metricsRoutes } from './cluster/metrics.mts'
import { replicationRoutes } from './cluster/replication.mts'
import { clusterRoutes } from './cluster/routes.mts'
import type { Route } from './core/route.mts'
import { firewallRoutes } from './firewall/routes.mts'
import { haGroupRoutes } from './ha/group-routes.mts'
import { haResourceRoutes } from './ha/resource-routes.mts'
import { haRuleRoutes } from './ha/rule-routes.mts'
import { haStatusRoutes } from './ha/status-routes.mts'
import { mappingRoutes } from './mapping/routes.mts'
import { bulkRoutes } from './nodes/bulk-routes.mts'
import { networkRoutes } from './nodes/network-routes.mts'
import { nodeRoutes } from './nodes/routes.mts'
import { systemRoutes } from './nodes/system-routes.mts'
import { versionRoutes } from './nodes/version.mts'
import { poolRoutes } from './pools/routes.mts'
import { sdnRoutes } from './sdn/routes.mts'
import { storageConfigRoutes } from './storage/config-routes.mts'
import { storageContentRoutes } from './storage/content-routes.mts'
import { storagePruneRoutes } from './storage/prune-routes.mts'
import { storageRoutes } from './storage/routes.mts'
import { storageScanRoutes } from './storage/scan-routes.mts'
import { storageTransferRoutes } from './storage/transfer-routes.mts'
import { nodeTaskRoutes } from './tasks/routes.mts'
import { qemuAgentRoutes } from './vm/agent-routes.mts'
import { backupRoutes } from './vm/backup-routes.mts'
import { qemuCloudInitRoutes } from './vm/cloud-init-routes.mts'
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
  ...acmeRoutes,
  ...backupJobRoutes,
  ...metricsRoutes,
  ...replicationRoutes,
  ...firewallRoutes,
  ...haStatusRoutes,
  ...haResourceRoutes,
  ...haGroupRoutes,
  ...haRuleRoutes,
  ...mappingRoutes,
  ...sdnRoutes,
  ...nodeRoutes,
  ...networkRoutes,
  ...bulkRoutes,
  ...systemRoutes,
  ...nodeTaskRoutes,
  ...storageConfigRoutes,
  ...storageRoutes,
  ...storageContentRoutes,
  ...storagePruneRoutes,
  ...storageTransferRoutes,
  ...storageScanRoutes,
  ...qemuCreateRoutes,
  ...qemuRoutes,
  ...qemuLookRoutes,
  ...qemuConfigRoutes,
  ...qemuCloudInitRoutes,
  ...qemuStatusRoutes,
  ...qemuDiskRoutes,
  ...qemuSnapshotRoutes,
  ...qemuAgentRoutes,
  ...backupRoutes,
]
