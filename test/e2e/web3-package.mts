import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A package of libpam-web3's layout: module, service, its unit and both configurations. */
export async function makePackage(folder: string, name: string): Promise<{ file: string; sha256: string }> {
  const tree = join(folder, `${name}-tree`)
  const files: Record<string, string> = {
    'DEBIAN/control': [
      `Package: ${name}`,
      'Version: 0.4.0',
      'Architecture: amd64',
      'Maintainer: proxmint tests <tests@example.net>',
      'Description: stands in for the real one in a test',
      '',
    ].join('\n'),
    'DEBIAN/conffiles': '/etc/pam_web3/config.toml\n/etc/web3-auth/config.toml\n',
    'lib/x86_64-linux-gnu/security/libpam_web3.so': 'not a module',
    'usr/bin/web3-auth-svc': '#!/bin/sh\nexec sleep infinity\n',
    'usr/lib/systemd/system/web3-auth-svc.service': [
      '[Unit]',
      'Description=web3 authentication service',
      '[Service]',
      'ExecStart=/usr/bin/web3-auth-svc',
      '[Install]',
      'WantedBy=multi-user.target',
      '',
    ].join('\n'),
    'etc/pam_web3/config.toml': '[machine]\nid = "my-server"\n',
    'etc/web3-auth/config.toml': 'backend = "jsonrpc"\n',
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(tree, path, '..'), { recursive: true })
    await writeFile(join(tree, path), text, { mode: path.startsWith('usr/bin/') ? 0o755 : 0o644 })
  }
  const file = join(folder, `${name}_0.4.0_amd64.deb`)
  await promisify(execFile)('dpkg-deb', ['--root-owner-group', '--build', tree, file])
  return { file, sha256: await sha256Of(file) }
}

/** The real package, where PROXMINT_TEST_WEB3_PACKAGE names one; otherwise one that stands in for it. */
export async function web3Package(
  folder: string,
): Promise<{ file: string; sha256: string; isReal: boolean }> {
  const file = process.env['PROXMINT_TEST_WEB3_PACKAGE']
  if (file === undefined || file === '')
    return { ...(await makePackage(folder, 'libpam-web3')), isReal: false }
  return { file, sha256: await sha256Of(file), isReal: true }
}

async function sha256Of(file: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(file))
    .digest('hex')
}
