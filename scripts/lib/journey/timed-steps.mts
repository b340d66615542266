/** Steps of a journey through the commands, one after another, with their times. */

/** One step, and how long it took. */
export interface TimedStep {
  name: string
  seconds: number
}

/** Runs one step under its name, and measures it. */
export type Step = <T>(name: string, work: () => Promise<T>) => Promise<T>

/** Runs `work` and adds its name and its time to the list, also where it fails. */
export async function timed<T>(steps: TimedStep[], name: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  try {
    return await work()
  } finally {
    steps.push({ name, seconds: (performance.now() - start) / 1000 })
  }
}

/** One line for each step, and one for all of them. */
export function formatTimes(steps: TimedStep[]): string {
  const total = steps.reduce((sum, step) => sum + step.seconds, 0)
  return [...steps, { name: 'in all', seconds: total }]
    .map(({ name, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${name}`)
    .join('\n')
}
