/** A file's attributes as SFTP tells them. */

import type { Stats } from 'node:fs'
import type { Attributes } from 'ssh2'

function seconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000)
}

export function attributesOf(info: Stats): Attributes {
  return {
    mode: info.mode,
    uid: info.uid,
    gid: info.gid,
    size: info.size,
    atime: seconds(info.atimeMs),
    mtime: seconds(info.mtimeMs),
  }
}

function kindOf(info: Stats): '-' | 'd' | 'l' {
  return info.isDirectory() ? 'd' : info.isSymbolicLink() ? 'l' : '-'
}

function permissionsOf({ mode }: Stats): string {
  return [6, 3, 0]
    .flatMap(shift => ['r', 'w', 'x'].map((letter, bit) => ((mode >> shift) & (4 >> bit) ? letter : '-')))
    .join('')
}

/** A line as of `ls -l`, which clients print as it is. */
export function longNameOf(name: string, info: Stats): string {
  const date = info.mtime.toISOString().slice(0, 16).replace('T', ' ')
  const size = String(info.size).padStart(9)
  return `${kindOf(info)}${permissionsOf(info)} ${info.nlink} ${info.uid} ${info.gid} ${size} ${date} ${name}`
}
