import { readFile } from 'node:fs/promises'

interface SeedOptions {
  /** Host name. */
  name: string
  /** New for each clone, so that cloud-init runs. */
  instanceId: string
  user: string
  publicKey: string
  /** User of the build; undefined if unknown. */
  buildUser: string | undefined
}

/** Output of first-boot.sh in the guest, lost at the next boot. */
const REPORT = '/run/proxmint-first-boot'

/**
 * Creates the NoCloud files for the clone whose first boot is inspected. cloud-init removes host keys before a login is
 * possible, so a boot command inspects the disk first. Proxmox's own cloud-init drive cannot run commands.
 */
export async function firstBootSeed(options: SeedOptions): Promise<Record<string, string>> {
  const script = await readFile(new URL('first-boot.sh', import.meta.url), 'utf8')
  const { name, instanceId, user, publicKey, buildUser } = options
  const look = `{\nBUILD_USER='${requireUserName(buildUser ?? '')}'\n${script}} > ${REPORT}\n`
  const userData = {
    users: [
      {
        name: requireUserName(user),
        sudo: 'ALL=(ALL) NOPASSWD:ALL',
        lock_passwd: true,
        ssh_authorized_keys: [publicKey],
      },
    ],
    bootcmd: [['sh', '-c', look]],
  }
  return {
    // JSON is YAML.
    'user-data': `#cloud-config\n${JSON.stringify(userData, null, 2)}\n`,
    'meta-data': `instance-id: ${instanceId}\nlocal-hostname: ${name}\n`,
  }
}

/** Checks a name for use in a script. @throws RangeError For anything else. */
function requireUserName(name: string): string {
  if (/^([a-z_][a-z0-9_-]{0,31})?$/i.test(name)) return name
  throw new RangeError(`not a user name: ${name}`)
}
