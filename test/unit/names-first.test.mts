/** A name or a value that is wrong is told with the nearest right one, before credentials are looked for. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { IMAGE_NAMES } from '../../lab/images/image.mts'
import { ISOLATION_MODES } from '../../lab/network/isolation.mts'
import { phases } from '../../scripts/lib/registry/entry.mts'
import { openFileStore } from '../../scripts/lib/registry/file/file-store.mts'
import { parseArguments } from '../../scripts/lib/run/command-line.mts'
import { optionsOfAll } from '../../scripts/lib/run/command-spec.mts'
import { commandsOf } from '../../scripts/lib/run/main.mts'
import { failureOf } from './failure.mts'
import { limits, wanted } from './registry/entries.mts'
import { temporaryFolder } from './temporary.mts'

const scripts = new URL('../../scripts/', import.meta.url)
const entries = (await readdir(scripts)).filter(name => name.endsWith('.mts'))
const commands = await commandsOf(entries.map(name => new URL(name, scripts)))

beforeEach(async () => {
  const folder = await temporaryFolder()
  vi.stubEnv('PROXMINT_STATE_DIR', folder)
  vi.stubEnv('PROXMINT_CREDENTIALS', join(folder, 'none.yaml'))
  for (const name of ['URL', 'USERNAME', 'TOKEN']) vi.stubEnv(`PROXMOX_${name}`, '')
  const store = openFileStore({ folder: join(folder, 'registry'), purpose: 'test' })
  await store.reserve([wanted('web-1')], limits())
  await store.close()
})
afterEach(() => vi.unstubAllEnvs())

function run(line: string): Promise<unknown> {
  const [name, ...words] = line.split(' ')
  const command = commands.find(command => command.name === name)!
  return command.run(parseArguments(command, words), new AbortController().signal)
}

test.each([
  ['build debain', 'unknown OS debain; did you mean debian?'],
  ['build debian --var memroy=2048', 'packer/debian has no variable memroy; did you mean memory?'],
  ['build debian --var template_vmid=9000', 'template_vmid cannot be given'],
  ['base imprt debian-12', 'say import, not `imprt`; did you mean import?'],
  ['base import debain-12', 'unknown image debain-12; did you mean debian-12?'],
  ['base import debain', 'unknown image debain; did you mean debian?'],
  ['check-permissions --template debain', 'unknown OS debain; did you mean debian?'],
  [
    'templates lsit',
    'say one of list, test, promote, rollback, revoke, prune, diff, not `lsit`; did you mean list?',
  ],
  ['templates list debain', 'unknown OS debain; did you mean debian?'],
  ['templates promote debain', 'there is no version of debain'],
  ['templates test debain', 'there is no version of debain'],
  ['templates prune debain', 'there is no version of debain'],
  ['templates revoke debian-1 --reason x', 'unknown version debian-1'],
  ['vm list --phase suspnded', 'destroyed, not `suspnded`; did you mean suspended?'],
  ['vm list --pool defalt', 'unknown pool defalt; did you mean default?'],
  ['vm show wbe-1', 'there is no VM wbe-1 in the registry; did you mean web-1?'],
  ['vm extend wbe-1 --days 1', 'there is no VM wbe-1 in the registry; did you mean web-1?'],
  ['vm resume wbe-1', 'there is no VM wbe-1 in the registry; did you mean web-1?'],
  ['vm rebuild wbe-1', 'there is no VM wbe-1 in the registry; did you mean web-1?'],
  ['vm destroy wbe-1', 'there is no VM wbe-1 in the registry; did you mean web-1?'],
  ['vm create web-2 --parallel 0', 'option `--parallel` takes a whole number'],
  ['apply wbe-1', 'there is no VM wbe-1 in the registry; did you mean web-1?'],
  ['vm create web-2 --pool constructor --no-login', 'unknown pool constructor'],
  ['vm create web-2 --pool __proto__ --no-login', 'unknown pool __proto__'],
  ['vm create web-2 --template constructor --no-login', 'unknown OS constructor'],
  ['build constructor', 'unknown OS constructor'],
  ['templates promote constructor', 'there is no version of constructor'],
  ['mint --vm wbe-1', 'there is no VM wbe-1 in the registry; did you mean web-1?'],
  ['mint --update wbe-1 --user-signature x', 'there is no VM wbe-1 in the registry; did you mean web-1?'],
  ['setup --for dmeo', 'option `--for` takes demo, test, qemu, all, not `dmeo`; did you mean demo?'],
  ['setup --only sops,packr', 'not `packr`; did you mean packer?'],
  ['demo --guests qmu', 'option `--guests` takes sim, qemu, not `qmu`; did you mean qemu?'],
  ['contract deploy --signing-page no-such.html', 'cannot read the signing page no-such.html'],
  ['credentials exprt', 'say one of export, init, check, not `exprt`; did you mean export?'],
  ['lab stauts', 'say one of up, down, status, exec, fault, record, not `stauts`; did you mean status?'],
  ['lab up --isolation lopback', 'not `lopback`; did you mean loopback?'],
])('%s', async (line, message) => {
  const failure = await failureOf(async () => run(line))
  expect(failure).toMatchObject({ message: expect.stringContaining(message), exitCode: 2 })
})

test.skipIf(process.stdin.isTTY)(
  'where nobody can be asked, the command that does not ask is told',
  async () => {
    expect(await failureOf(async () => run('vm destroy web-1'))).toMatchObject({
      message: 'destroy web-1 needs --yes where nobody can be asked',
      hint: 'zx scripts/vm.mts destroy web-1 --yes',
      exitCode: 2,
    })
    expect(await failureOf(async () => run('vm destroy web-1 --allow data-loss'))).toMatchObject({
      hint: 'zx scripts/vm.mts destroy web-1 --yes --allow data-loss',
    })
  },
)

test('a name that is right, of two, is worked on: it needs credentials', async () => {
  for (const line of ['apply wbe-1 web-1', 'build debain debian']) {
    expect((await failureOf(async () => run(line))).exitCode).not.toBe(2)
  }
})

test('the values that options take are all there are', () => {
  const choicesOf = (command: string, option: string) =>
    optionsOfAll(commands.find(({ name }) => name === command)!)[option]!.choices
  expect(choicesOf('vm', 'phase')).toEqual(phases)
  expect(choicesOf('lab', 'image')).toEqual(IMAGE_NAMES)
  expect(choicesOf('lab', 'isolation')).toEqual(ISOLATION_MODES)
})
