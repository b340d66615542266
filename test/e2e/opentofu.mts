/** OpenTofu (or Terraform) with the real bpg/proxmox provider, on a fixture, against a lab. */
import { type ExecFileOptions, execFile } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { ExecResult, Lab } from '../../lab/create.mts'
import { checkedCredentials } from '../../scripts/lib/credentials/credentials.mts'
import { exportedVariables } from '../../scripts/lib/credentials/export.mts'
import { environmentSource } from '../../scripts/lib/credentials/source.mts'
import { requireTool } from '../../scripts/lib/tools/find.mts'
import { repository } from './workspace.mts'

export interface Tofu extends AsyncDisposable {
  /** Holds a copy of the fixture. */
  folder: string
  run(args: string[]): Promise<ExecResult>
  /** Applies, and holds the plan after it to be empty. `variables` are `name=value`. */
  apply(...variables: string[]): Promise<void>
  /** What the plan would do, by resource: `create`, `update`, `delete`, or `delete create` for a replacement. */
  plan(...variables: string[]): Promise<Record<string, string>>
  output(name: string): Promise<unknown>
  destroy(...variables: string[]): Promise<void>
}

/** `plan -detailed-exitcode`: 0 is an empty plan, 2 one with changes. */
const noChanges = 0

/** The variables by which the provider logs in as the lab's own user. */
export function tokenLogin(lab: Lab): Record<string, string> {
  return exportedVariables(checkedCredentials(environmentSource(lab.tokenEnv)).credentials)
}

/** The same for root, by password: a ticket in a cookie. */
export const rootLogin = (lab: Lab): Record<string, string> => ({
  PROXMOX_VE_ENDPOINT: new URL(lab.url).origin,
  PROXMOX_VE_USERNAME: 'root@pam',
  PROXMOX_VE_PASSWORD: lab.rootPassword,
})

/** A folder with a copy of `test/fixtures/FIXTURE`, initialized. `env` logs in; the program runs in the lab's network or not. */
export async function openTofu(
  lab: Lab,
  fixture: string,
  env: Record<string, string>,
  where: 'inside' | 'outside' = 'inside',
): Promise<Tofu> {
  const root = await mkdtemp(join(tmpdir(), 'proxmint-tofu-'))
  await cp(join(repository, 'test/fixtures', fixture), root, { recursive: true })
  return initialized(lab, root, root, env, where)
}

/** The same with `terraform/examples/EXAMPLE`, beside the modules it is made of. */
export async function openExample(lab: Lab, example: string, env: Record<string, string>): Promise<Tofu> {
  const root = await mkdtemp(join(tmpdir(), 'proxmint-tofu-'))
  await cp(join(repository, 'terraform'), root, { recursive: true })
  return initialized(lab, root, join(root, 'examples', example), env, 'inside')
}

/** @param root goes in the end; `folder` is where it runs. */
async function initialized(
  lab: Lab,
  root: string,
  folder: string,
  env: Record<string, string>,
  where: 'inside' | 'outside',
): Promise<Tofu> {
  const [program, provider] = await Promise.all([requireTool('opentofu'), requireTool('proxmox-provider')])
  // The provider keeps the node's host key in the home folder.
  const variables = {
    ...provider.env,
    ...env,
    SSL_CERT_FILE: lab.caFile,
    TF_IN_AUTOMATION: '1',
    HOME: folder,
  }
  const run = (args: string[]) =>
    where === 'inside'
      ? lab.exec([program.file, ...args], { cwd: folder, env: variables })
      : execute(program.file, args, { cwd: folder, env: { ...process.env, ...variables } })
  const init = await run(['init', '-no-color'])
  expect(init, init.stderr).toMatchObject({ code: 0, stderr: '' })
  const succeed = async (args: string[]) => {
    const result = await run(args)
    expect(result.code, `${args[0]} failed:\n${result.stdout}${result.stderr}`).toBe(0)
    return result.stdout
  }
  return {
    folder,
    run,
    async apply(...given) {
      await succeed(['apply', '-auto-approve', '-no-color', ...asFlags(given)])
      const plan = await run(['plan', '-detailed-exitcode', '-no-color', ...asFlags(given)])
      expect(plan.code, `the plan after the apply is not empty:\n${plan.stdout}${plan.stderr}`).toBe(
        noChanges,
      )
    },
    async plan(...given) {
      await succeed(['plan', '-no-color', '-out=plan', ...asFlags(given)])
      return changesOf(JSON.parse(await succeed(['show', '-json', 'plan'])))
    },
    output: async name => JSON.parse(await succeed(['output', '-json', name])),
    destroy: async (...given) => {
      await succeed(['destroy', '-auto-approve', '-no-color', ...asFlags(given)])
    },
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  }
}

const execute = (file: string, args: string[], options: ExecFileOptions): Promise<ExecResult> =>
  new Promise(resolve => {
    execFile(file, args, { ...options, encoding: 'utf8' }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    )
  })

const asFlags = (variables: string[]) => variables.flatMap(variable => ['-var', variable])

interface Plan {
  resource_changes: { address: string; mode: string; change: { actions: string[] } }[]
}

const changesOf = ({ resource_changes }: Plan) =>
  Object.fromEntries(
    resource_changes
      .filter(({ mode, change }) => mode === 'managed' && change.actions[0] !== 'no-op')
      .map(({ address, change }) => [address, change.actions.join(' ')]),
  )
