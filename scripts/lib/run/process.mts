import { command, runCommand } from './exec.mts'

/** Command line of a process on this machine; undefined if it does not run. */
export async function processCommand(pid: number): Promise<string | undefined> {
  const { code, stdout } = await runCommand(command`ps -o command= -p ${pid}`)
  return code === 0 && stdout.trim() !== '' ? stdout.trim() : undefined
}

/** Kills a process group if its leader still runs `program`: the system reuses process ids. @returns True if killed. */
export async function killGroup(pid: number, program: string): Promise<boolean> {
  const running = await processCommand(pid)
  return running?.includes(program) === true && signalGroup(pid, 'SIGKILL')
}

/** Sends a signal to a process group that ran a moment ago. @returns False if it ended meanwhile. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(-pid, signal)
  } catch {
    return false
  }
}
