/**
 * Writes PROJECT.yaml: every command with its arguments, options, exit codes, files and variables, for programs that
 * run proxmint. All of it comes from the code. Run: `npm run project`; with `--print` it is printed instead.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { Ajv } from 'ajv'
import { Document, isScalar, visit } from 'yaml'
import type { CommandSpec, OptionSpec } from '../scripts/lib/run/command-line.mts'
import { exitCodes } from '../scripts/lib/run/errors.mts'
import { commandsOf } from '../scripts/lib/run/main.mts'
import { useNamed, usesWithVariables } from './uses.mts'

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
  const commands = (await allCommands()).map(command => describe(command, makefile))
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

function describe(command: CommandSpec, makefile: string): object {
  const { name, summary, usage, options, positionals, writes, example } = command
  const needs = command.uses.map(useNamed)
  const { done, failed, usage: misused, interrupted } = exitCodes
  const codes = [done, failed, misused, interrupted, ...needs.flatMap(need => need.exitCodes)]
  return {
    name,
    run: `zx scripts/${name}.mts`,
    make: targetsOf(name, makefile),
    summary,
    usage: formsOf(usage),
    arguments: { max: Number.isFinite(positionals) ? positionals : null },
    options: Object.fromEntries(
      Object.entries(options).map(([option, spec]) => [`--${option}`, describeOption(spec)]),
    ),
    exitCodes: [...new Set(codes)].sort((a, b) => a - b),
    writes,
    environment: command.uses.filter(use => Object.keys(useNamed(use).variables).length > 0),
    example,
  }
}

function describeOption({ type, multiple, value, choices, default: fallback, help }: OptionSpec): object {
  return {
    type,
    ...(multiple === true && { multiple }),
    ...(value !== undefined && { value }),
    ...(choices !== undefined && { choices }),
    ...(fallback !== undefined && { default: fallback }),
    help,
  }
}

/** The ways to call it: what stands between bars, but not those inside of brackets. */
function formsOf(usage: string): string[] {
  return usage.split(/ \| (?![^[]*\])/)
}

/** The targets of the Makefile that run it. */
function targetsOf(name: string, makefile: string): string[] {
  return makefile
    .split('\n.PHONY: ')
    .filter(rule => rule.includes(`\t@zx scripts/${name}.mts`))
    .map(rule => rule.split('\n')[0]!)
    .filter(target => !target.startsWith('setup-'))
}

async function requireValid(document: object): Promise<void> {
  const validate = new Ajv({ allErrors: true, allowUnionTypes: true }).compile(
    JSON.parse(await readText('tools/project.schema.json')),
  )
  if (!validate(document)) throw new Error(`PROJECT.yaml: ${JSON.stringify(validate.errors, null, 2)}`)
}

if (process.argv.includes('--print')) process.stdout.write(await projectText())
else await writeFile(new URL('PROJECT.yaml', root), await projectText())
