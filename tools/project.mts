/**
 * Writes PROJECT.yaml: every command with its arguments, options, exit codes, files and variables, for programs that
 * run proxmint. All of it comes from the code. Run: `npm run project`; with `--print` it is printed instead.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { Ajv } from 'ajv'
import { Document, isScalar, visit } from 'yaml'
import type { CommandSpec } from '../scripts/lib/run/command-spec.mts'
import { exitCodes } from '../scripts/lib/run/errors.mts'
import { commandsOf } from '../scripts/lib/run/main.mts'
import { describeCommand } from './describe-command.mts'
import { usesWithVariables } from './uses.mts'

const root = new URL('../', import.meta.url)

const meanings: Record<keyof typeof exitCodes, string> = {
  done: 'done, or there already',
  failed: 'failed',
  usage: 'wrong arguments',
  invalid: 'invalid config, credentials or template',
  denied: 'credentials or a privilege are missing',
  locked: 'another run holds the lock',
  partial: 'some of many failed',
  interrupted: 'interrupted',
}

/** The specs of every script that a person runs, by name. */
async function allCommands(): Promise<CommandSpec[]> {
  const names = (await readdir(new URL('scripts/', root))).filter(name => name.endsWith('.mts')).sort()
  return commandsOf(names.map(name => new URL(`scripts/${name}`, root)))
}

/** What PROJECT.yaml is to hold. @throws Error where that breaks its schema. */
async function projectText(): Promise<string> {
  const { name, description, license, devEngines } = JSON.parse(await readText('package.json'))
  const makefile = await readText('Makefile')
  const commands = (await allCommands()).map(command => describeCommand(command, makefile))
  const document = {
    // What runs the scripts, and comes from npm; `engines` is what npm itself is run by, to install it.
    project: { name, description, license, node: devEngines.runtime.version },
    exitCodes: Object.entries(exitCodes).map(([key, code]) => ({
      code,
      name: key,
      means: meanings[key as keyof typeof exitCodes],
    })),
    environment: Object.fromEntries(usesWithVariables()),
    commands,
  }
  await requireValid(document)
  const head = '# Made by `npm run project` from the code; a test fails where it is out of date.\n'
  return `${head}# Its schema: tools/project.schema.json\n${compact(document)}`
}

/** Lists of words on one line each: there are many of them. */
function compact(document: object): string {
  const yaml = new Document(document)
  visit(yaml, {
    Seq(_, list) {
      list.flow = list.items.every(isScalar)
    },
  })
  return yaml.toString({ lineWidth: 110 })
}

function readText(path: string): Promise<string> {
  return readFile(new URL(path, root), 'utf8')
}

async function requireValid(document: object): Promise<void> {
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(
    JSON.parse(await readText('tools/project.schema.json')),
  )
  if (!validate(document)) throw new Error(`PROJECT.yaml: ${JSON.stringify(validate.errors, null, 2)}`)
}

if (process.argv.includes('--print')) process.stdout.write(await projectText())
else await writeFile(new URL('PROJECT.yaml', root), await projectText())
