import { readFile } from 'node:fs/promises'

interface SeedOptions {
  /** Host name. */
  name: string
  /** Tells cloud-init that this is a new machine. */
  instanceId: string
  user: string
  publicKey: string
  /** User of the build; undefined where none is known. */
  buildUser: string | undefined
}

/** Where first-boot.sh leaves what it found; gone with the next boot. */
const report = '/run/proxmint-first-boot'

/**
 * NoCloud files for the clone whose first boot is looked at. Proxmox's own drive cannot run anything, and
 * cloud-init removes host keys before anybody can log in; a boot command comes before that.
 */
export async function firstBootSeed(options: SeedOptions): Promise<Record<string, string>> {
  const script = await readFile(new URL('first-boot.sh', import.meta.url), 'utf8')
  const { name, instanceId, user, publicKey, buildUser } = options
  const look = `{\nBUILD_USER='${requireUserName(buildUser ?? '')}'\n${script}} > ${report}\n`
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

/** What stands in a script must be a name and nothing else. @throws RangeError for anything else. */
function requireUserName(name: string): string {
  if (/^([a-z_][a-z0-9_-]{0,31})?$/i.test(name)) return name
  throw new RangeError(`no user name: ${name}`)
}
