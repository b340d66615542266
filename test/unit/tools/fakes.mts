import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'

export interface Fakes {
  /** The only folder on PATH while the test runs. */
  bin: string
  /** Where proxmint keeps its tools while the test runs. */
  cache: string
  /** Puts a shell script on PATH; gives its file. Only what the shell itself can do is at hand in it. */
  program(name: string, body: string): Promise<string>
}

/** A machine with nothing on it: an own PATH and an own cache, until the test ends. */
export async function bareMachine(): Promise<Fakes> {
  const root = await mkdtemp(join(tmpdir(), 'proxmint tools '))
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    vi.restoreAllMocks()
    await rm(root, { recursive: true })
  })
  const bin = join(root, 'bin')
  await mkdir(bin)
  vi.stubEnv('PATH', bin)
  // Progress lines of steps that never ran would only confuse who reads the test's output.
  vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  vi.stubEnv('XDG_CACHE_HOME', join(root, 'cache'))
  return {
    bin,
    cache: join(root, 'cache', 'proxmint', 'tools'),
    program: (name, body) => script(join(bin, name), body),
  }
}

export async function script(file: string, body: string): Promise<string> {
  await writeFile(file, `#!/bin/sh\n${body}\n`)
  await chmod(file, 0o755)
  return file
}

/** The body of a Packer of this version whose plugin, if any, is the given file. */
export function packerBody(version: string, plugin?: string): string {
  const listing = plugin === undefined ? '' : `echo '${plugin}'`
  return `case "$1" in
--version) echo 'Packer v${version}' ;;
plugins) ${listing || 'true'} ;;
validate) echo '* node must be specified'; exit 1 ;;
esac`
}

/** Makes a plugin that answers `describe` with `answer`, in a folder laid out as Packer does. */
export async function packerPlugin(machine: Fakes, answer: string): Promise<string> {
  const folder = join(machine.bin, '..', 'plugins', 'github.com', 'hashicorp', 'proxmox')
  await mkdir(folder, { recursive: true })
  return await script(join(folder, 'packer-plugin-proxmox'), `echo '${answer}'`)
}

/** An npm that installs a mise of this body. */
export function npmWithMise(body: string): string {
  return `/bin/mkdir -p node_modules/.bin
/bin/cat > node_modules/.bin/mise <<'END'
#!/bin/sh
${body}
END
/bin/chmod +x node_modules/.bin/mise`
}

/** An npm that finds no network. */
export const npmWithoutNetwork = `echo 'npm error error sending request: dns error' >&2; exit 1`

/** A Go that "builds" by writing a program which prints `output` to each name in `programs`. */
export function goBody(programs: string[], output: string): string {
  const writes = programs.map(
    name => `printf '#!/bin/sh\\necho ${output}\\n' > "$out/${name}"; /bin/chmod +x "$out/${name}"`,
  )
  return `if [ "$1" = version ]; then echo go version go1.26.6 linux/amd64; exit; fi
while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
echo run >> "$XDG_CACHE_HOME/go-runs"
${writes.join('\n')}`
}
