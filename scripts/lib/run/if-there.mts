import { codeOf } from './errors.mts'

/** Result of reading a file or folder, or undefined if it does not exist (ENOENT). @throws every other error. */
export async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}
