import { command, runCommand } from './exec.mts'

/** The command line of a process of this machine; undefined when it does not run. */
export async function processCommand(pid: number): Promise<string | undefined> {
  const { code, stdout } = await runCommand(command`ps -o command= -p ${pid}`)
  return code === 0 && stdout.trim() !== '' ? stdout.trim() : undefined
}

/** Kills a process group whose leader still is what it was started as; another program's is left alone. */
export async function killGroup(pid: number, program: string): Promise<boolean> {
  const running = await processCommand(pid)
  if (running?.includes(program) !== true) return false
  try {
    process.kill(-pid, 'SIGKILL')
    return true
  } catch {
    // It ended by itself in the meantime.
    return false
  }
}
