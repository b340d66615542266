/** The procedures of docs/rotation.md, line by line, with the real sops and age, against a lab. */
import { chmod, mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { requireTool } from '../../scripts/lib/tools/find.mts'
import { run } from './outside.mts'
import { labCredentials, sopsEnvironment } from './sops-credentials.mts'
import { createWorkspace, repository, rootClient, startLab, type Workspace } from './workspace.mts'

const file = 'secrets/proxmox-creds.enc.yaml'
const user = 'proxmint@pve'

let lab: Lab
let workspace: Workspace
let env: NodeJS.ProcessEnv
let identity: string
let procedures: string[]

beforeAll(async () => {
  lab = await startLab({ guests: 'none', images: [] })
  workspace = await createWorkspace(lab)
  await symlink(join(repository, 'scripts'), join(workspace.folder, 'scripts'))
  const tools = await Promise.all([requireTool('sops'), requireTool('age')])
  const folders = [join(repository, 'node_modules/.bin'), ...tools.map(tool => dirname(tool.file))]
  const { SOPS_AGE_KEY_FILE: _, ...variables } = sopsEnvironment(workspace)
  identity = join(workspace.folder, '.config/sops/age/keys.txt')
  env = { ...variables, HOME: workspace.folder, PATH: [...folders, process.env['PATH']].join(':') }
  const text = await readFile(join(repository, 'docs/rotation.md'), 'utf8')
  procedures = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(([, lines]) => lines!)
  await encrypt(labCredentials(lab))
})
afterAll(async () => {
  await workspace[Symbol.asyncDispose]()
  await lab.close()
})

/** In a shell that ends at the first line that fails. Bash takes a pipe for a login from afar, and would read its rc files. */
function shell(script: string, further: NodeJS.ProcessEnv = {}): Promise<ExecResult> {
  return run(workspace, ['bash', '--norc', '-euo', 'pipefail', '-c', script], { env: { ...env, ...further } })
}

async function encrypt(values: Record<string, string>): Promise<void> {
  const script = `zx scripts/credentials.mts init <<'END'\n${JSON.stringify(values)}\nEND`
  const made = await shell(script)
  expect(made.stderr).toBe('')
  expect(made.code).toBe(0)
}

/** A procedure that begins with this word. */
function procedure(start: string): string {
  const found = procedures.filter(lines => lines.startsWith(start))
  expect(found).toHaveLength(1)
  return found[0]!
}

const check = () => shell('zx scripts/credentials.mts check')

test('the API token', async () => {
  expect(procedures[0]).toContain(`pveum user token add ${user} build2 -privsep 0`)
  const root = rootClient(lab)
  const made = await root.request<{ value: string }>('POST', `/access/users/${user}/token/build2`, {
    privsep: 0,
  })
  const editor = join(workspace.folder, 'editor.sh')
  const commands = [
    's/^proxmox_token_id: .*/proxmox_token_id: build2/',
    's/^proxmox_token_secret: .*/proxmox_token_secret: $SECRET/',
  ]
  await writeFile(editor, `#!/bin/sh\nsed -i ${commands.map(one => `-e "${one}"`).join(' ')} "$1"\n`)
  await chmod(editor, 0o755)
  const changed = await shell(procedure('sops edit'), { EDITOR: editor, SECRET: made.value })
  expect(changed.stderr).not.toContain('error:')
  expect(changed.stdout).toContain(`${user}!build2 at ${lab.url}`)
  expect(changed.stdout).toContain('nothing is missing')
  expect(changed.code).toBe(0)
  expect(procedures.at(-2)).toBe(`pveum user token remove ${user} build\n`)
  await root.request('DELETE', `/access/users/${user}/token/lab`)
  expect(await check()).toMatchObject({ code: 0 })
  expect(await readFile(join(workspace.folder, file), 'utf8')).not.toContain(made.value)
})

test('the age identity', async () => {
  const before = await readFile(join(workspace.folder, file), 'utf8')
  const old = await readFile(identity, 'utf8')
  const changed = await shell(procedure('keys='))
  expect(changed.stdout).toContain('Proxmox VE')
  expect(changed.code).toBe(0)
  const [oldRecipient, newRecipient] = [old, await readFile(identity, 'utf8')].map(
    text => /public key: (age1\w+)/.exec(text)![1]!,
  )
  expect(newRecipient).not.toBe(oldRecipient)
  const rules = await readFile(join(workspace.folder, '.sops.yaml'), 'utf8')
  expect(rules).toContain(newRecipient)
  expect(rules).not.toContain(oldRecipient)
  const after = await readFile(join(workspace.folder, file), 'utf8')
  // With the old data key the values would be encrypted as before.
  const secretIn = (text: string) => /^proxmox_token_secret: .*/m.exec(text)![0]
  expect(secretIn(after)).not.toBe(secretIn(before))
  await mkdir(join(workspace.folder, 'aside'))
  await rename(identity, join(workspace.folder, 'aside/keys.txt'))
  await writeFile(identity, old)
  const refused = await check()
  expect(refused.code).toBe(4)
  expect(refused.stderr).toContain('none of your age identities is among its recipients')
})
