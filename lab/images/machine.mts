/** Images for real machines: a Debian installation on a disk that boots by itself, by BIOS and by UEFI. */

import { randomBytes } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../core/process.mts'
import { cachedFolder } from './cache.mts'
import { type Installation, installDebian, recipeDigest } from './debian.mts'
import { fileDigest, type Image, type ImageName, type ImageOptions, imageFileName } from './image.mts'

/** Packages of Debian's own cloud images: kernel, boot loaders, systemd, cloud-init, SSH server; no guest agent. */
const IN_IMAGE = [
  ...['linux-image-cloud-amd64', 'initramfs-tools', 'zstd', 'grub-pc-bin', 'grub-common'],
  ...['shim-signed', 'grub-efi-amd64-signed'],
  ...['systemd-sysv', 'systemd-resolved', 'dbus', 'udev', 'netplan.io', 'iproute2', 'iputils-ping'],
  ...['cloud-init', 'cloud-guest-utils', 'fdisk', 'e2fsprogs', 'openssh-server', 'openssh-client'],
  ...['sudo', 'ca-certificates', 'procps', 'less'],
]

/** Size of Debian's cloud images. A guest grows its root to the size of its disk. */
const DISK_MEBIBYTES = 3072

const MAKE_DISK = join(import.meta.dirname, 'make-disk.sh')

/** Returns a cached qcow2 image. Makes it first if it is missing, which takes about a minute and a half. */
export async function ensureMachineImage(name: ImageName, options: ImageOptions): Promise<Image> {
  const installation: Installation = {
    name,
    packages: IN_IMAGE,
    prepare: join(import.meta.dirname, 'prepare-machine.sh'),
  }
  const digest = await recipeDigest(installation, options, [MAKE_DISK])
  const folder = await cachedFolder(`machines/${name}-${digest}`, async work => {
    options.onBuild?.(name)
    await makeImage(installation, work, options)
  })
  const sha512 = (await readFile(join(folder, 'sha512'), 'utf8')).trim()
  const [path, packages] = [join(folder, 'image.qcow2'), join(folder, 'packages')]
  return { name, path, fileName: imageFileName(name), sha512, packages }
}

async function makeImage(installation: Installation, work: string, options: ImageOptions): Promise<void> {
  const signature = randomBytes(4).toString('hex')
  await installDebian(installation, work, options, { PARTUUID: `${signature}-01` })
  const [file, ...args] = asMappedRoot([MAKE_DISK, work, signature, String(DISK_MEBIBYTES)])
  await run(file!, args)
  const [raw, image] = [join(work, 'disk.raw'), join(work, 'image.qcow2')]
  await run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, image])
  await writeFile(join(work, 'sha512'), await fileDigest(image))
  for (const part of [raw, join(work, 'root.tar')]) await rm(part)
}

/** Runs a command as root or as a mapped root, because only root may set the owners of files. */
function asMappedRoot(command: string[]): string[] {
  if (process.geteuid?.() === 0) return command
  return ['unshare', '--map-root-user', '--map-auto', '--', ...command]
}
