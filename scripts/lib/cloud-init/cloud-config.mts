/**
 * Top-level keys of a cloud-config. cloud-init ignores an unknown key with a warning in its own log, so that a typo
 * would show only in the VM. test/e2e/cloud-init-schema.test.mts compares these lists with the schema of cloud-init.
 */

import { didYouMean } from '../run/nearest.mts'

const LISTS = [
  'bootcmd fs_setup mount_default_fields mounts packages runcmd ssh_authorized_keys ssh_fp_console_blacklist',
  'ssh_genkeytypes ssh_import_id ssh_key_console_blacklist write_files',
]
const TABLES = [
  'ansible apk_repos apt ca_certs chef chpasswd device_aliases disk_setup fan growpart grub_dpkg keyboard landscape lxd',
  'mcollective phone_home power_state puppet random_seed reporting resolv_conf rh_subscription rsyslog salt_minion snap',
  'spacewalk ssh ssh_keys ssh_publish_hostkeys swap ubuntu_advantage updates vendor_data yum_repos zypper',
]
/** Keys with a scalar, or with several types. */
const OTHERS = [
  'allow_public_ssh_keys apt_pipelining apt_reboot_if_required apt_update apt_upgrade authkey_hash byobu_by_default',
  'disable_ec2_metadata disable_root disable_root_opts final_message fqdn groups hostname locale locale_configfile',
  'manage_etc_hosts manage_resolv_conf migrate no_ssh_fingerprints ntp package_reboot_if_required package_update',
  'package_upgrade password prefer_fqdn_over_hostname preserve_hostname resize_rootfs ssh_deletekeys ssh_pwauth',
  'ssh_quiet_keygen timezone user users wireguard yum_repo_dir',
]

/** Keys of versions after that of Debian 12, and keys that cloud-init reads before it uses its schema. */
const BEYOND_SCHEMA = [
  'autoinstall ca-certs cloud_config_modules cloud_final_modules cloud_init_modules create_hostname_file datasource datasource_list',
  'drivers grub-dpkg hotplug launch-index merge_how merge_type network output rpi syslog_fix_perms system_info ubuntu_pro',
]

const kinds = new Map<string, 'list' | 'table' | 'other'>([
  ...wordsOf(LISTS).map(key => [key, 'list'] as const),
  ...wordsOf(TABLES).map(key => [key, 'table'] as const),
  ...wordsOf(OTHERS).map(key => [key, 'other'] as const),
])

function wordsOf(lines: string[]): string[] {
  return lines.flatMap(line => line.split(' '))
}

/** Keys of the schema of cloud-init 22.4. */
export const cloudConfigKeys = [...kinds.keys()].sort()

const free = new Set(wordsOf(BEYOND_SCHEMA))

/** Checks the top-level keys of a cloud-config. @returns The first fault, as the end of a sentence. */
export function cloudConfigFault(document: object): string | undefined {
  for (const [key, value] of Object.entries(document)) {
    if (free.has(key)) continue
    const kind = kinds.get(key)
    if (kind === undefined)
      return `has the key ${key}, which cloud-init does not know${didYouMean(key, cloudConfigKeys)}`
    if (kind === 'list' && !Array.isArray(value)) return `has ${key}, which must be a list`
    const isTable = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (kind === 'table' && !isTable) return `has ${key}, which must hold keys of its own`
  }
  return undefined
}
