/** A clone of the repository with a lab for its Proxmox VE, as somebody has it who follows the documents. */
import { execFile } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { ExecResult, Lab } from '../../../lab/create.mts'
import { requireTool } from '../../../scripts/lib/tools/find.mts'
import { labCredentials } from '../sops-credentials.mts'
import { repository } from '../workspace.mts'

const run = promisify(execFile)

export interface Site extends AsyncDisposable {
  lab: Lab
  /** The clone's root, in which every command is run. */
  folder: string
  home: string
  /** Runs lines as a person's shell does, but ends at the first that fails. */
  shell(script: string, env?: NodeJS.ProcessEnv): Promise<ExecResult>
  /** Replaces text in a file of the clone. @throws when the text is not there. */
  edit(path: string, from: string | RegExp, to: string): Promise<void>
}

/** The lab ends with it. */
export async function createSite(lab: Lab): Promise<Site> {
  const top = await mkdtemp(join(tmpdir(), 'proxmint-site-'))
  const [folder, home, bin] = ['infrastructure', 'home', 'bin'].map(name => join(top, name)) as [
    string,
    string,
    string,
  ]
  await copyRepository(folder)
  await mkdir(home)
  await writePrograms(bin, lab)
  const env = await variables(home, bin)
  const site: Site = {
    lab,
    folder,
    home,
    shell: (script, further) =>
      lab.exec(['env', ...withoutLab, 'bash', '--norc', '-euo', 'pipefail', '-c', script], {
        cwd: folder,
        env: { ...env, ...further },
      }),
    async edit(path, from, to) {
      const text = await readFile(join(folder, path), 'utf8')
      const edited = text.replace(from, to)
      if (edited === text) throw new Error(`${path} does not hold ${from}`)
      await writeFile(join(folder, path), edited)
    },
    async [Symbol.asyncDispose]() {
      // A lab that the documents had started.
      await site.shell('zx scripts/lab.mts down')
      await lab.close()
      await rm(top, { recursive: true, force: true })
    },
  }
  await beginHistory(site)
  return site
}

/** What Git would clone, with what is not committed yet. */
async function copyRepository(folder: string): Promise<void> {
  const listed = await run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: repository,
    maxBuffer: 2 ** 24,
  })
  const paths = listed.stdout.split('\0').filter(path => path !== '')
  for (const path of paths) await cp(join(repository, path), join(folder, path), { force: false })
  await symlink(join(repository, 'node_modules'), join(folder, 'node_modules'))
}

/** With somewhere to push to. */
async function beginHistory({ shell, folder }: Site): Promise<void> {
  const { code, stderr } = await shell(
    [
      'git init --quiet --bare ../origin.git',
      'git init --quiet --initial-branch main',
      'git remote add origin ../origin.git',
      'git config user.name somebody && git config user.email somebody@example.net',
      'git add . && git commit --quiet --message begin',
    ].join('\n'),
  )
  if (code !== 0) throw new Error(`no history in ${folder}: ${stderr}`)
}

/**
 * `tofu` by that name, whichever of the two is there; an editor that types the lab's credentials; a systemctl that only
 * writes down what it is asked.
 */
async function writePrograms(bin: string, lab: Lab): Promise<void> {
  await mkdir(bin)
  const [tofu, key] = await Promise.all([
    requireTool('opentofu'),
    readFile(lab.nodeSsh.privateKeyFile, 'utf8'),
  ])
  await symlink(tofu.file, join(bin, 'tofu'))
  const credentials = { ...labCredentials(lab), proxmox_ssh_user: 'root', proxmox_ssh_private_key: key }
  await writeFile(join(bin, 'typed.yaml'), `${JSON.stringify(credentials, null, 2)}\n`)
  const programs = {
    editor: `cat '${join(bin, 'typed.yaml')}' > "$1"`,
    systemctl: `echo "$@" >> '${join(bin, 'systemctl.calls')}'`,
  }
  for (const [name, line] of Object.entries(programs)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${line}\n`)
    await chmod(join(bin, name), 0o755)
  }
}

/** Neither login nor chain is in the environment, where the lab puts them: they come from the clone's files. */
const withoutLab = [
  ...['URL', 'USERNAME', 'TOKEN', 'API_TOKEN', 'NODE', 'STORAGE_POOL', 'PASSWORD', 'CA_FILE'],
  ...['VE_SSH_USERNAME', 'VE_SSH_PRIVATE_KEY'],
]
  .map(name => `PROXMOX_${name}`)
  .concat('PROXMINT_WEB3', 'SOPS_AGE_KEY_FILE')
  .flatMap(name => ['-u', name])

async function variables(home: string, bin: string): Promise<Record<string, string>> {
  const [provider, ...tools] = await Promise.all([
    requireTool('proxmox-provider'),
    requireTool('sops'),
    requireTool('age'),
  ])
  return {
    ...provider.env,
    HOME: home,
    XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
    EDITOR: join(bin, 'editor'),
    PATH: [
      join(repository, 'node_modules/.bin'),
      bin,
      ...tools.map(({ file }) => dirname(file)),
      process.env['PATH'],
    ].join(':'),
  }
}
