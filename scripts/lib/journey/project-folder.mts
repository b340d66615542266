/** A project of its own beside that of the user: the same commands, other config, state and registry. */
import { cp, mkdir, stat, symlink } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'

const repository = resolve(import.meta.dirname, '../../..')

/** What Packer and OpenTofu download or make in a folder; it is made again. */
const MADE_THERE = ['.terraform', 'packer_cache', 'result']

/**
 * Makes a project with the templates of another one.
 * @param from project whose folders are copied. One that it does not have is that of the repository.
 * @param folder must not be there yet, or be empty.
 */
export async function makeProject(from: string, folder: string): Promise<void> {
  await mkdir(join(folder, 'config'), { recursive: true, mode: 0o700 })
  for (const name of ['packer', 'terraform', 'cloud-init']) {
    const own = join(from, name)
    await cp((await isThere(own)) ? own : join(repository, name), join(folder, name), {
      recursive: true,
      filter: path => !MADE_THERE.includes(basename(path)),
    })
  }
  // So that a command reads as it is typed in a project.
  await symlink(join(repository, 'scripts'), join(folder, 'scripts'))
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
