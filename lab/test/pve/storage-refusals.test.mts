/** A storage that does not take a file says so in the words of the operation that was asked. */

import { afterAll, beforeAll, expect, test } from 'vitest'
import { startLab, type TestLab } from './client.mts'

let lab: TestLab
beforeAll(async () => {
  lab = await startLab({
    cluster: {
      nodes: [{ name: 'pve', online: true }],
      storages: [
        { id: 'files', type: 'dir', content: ['snippets'] },
        { id: 'tank', type: 'zfspool', content: ['images'] },
      ],
    },
  })
})
afterAll(() => lab.close())

const download = (storage: string, filename: string) =>
  lab.call('POST', `/nodes/pve/storage/${storage}/download-url`, {
    content: 'iso',
    filename,
    url: 'http://127.0.0.1:1/a.iso',
  })

function upload(storage: string, filename: string) {
  const field = ['--b', 'Content-Disposition: form-data; name="content"', '', 'iso']
  const disposition = `Content-Disposition: form-data; name="filename"; filename="${filename}"`
  const body = [...field, '--b', disposition, '', 'x', '--b--', ''].join('\r\n')
  const headers = { ...lab.rootHeaders, 'content-type': 'multipart/form-data; boundary=b' }
  return lab.call('POST', `/nodes/pve/storage/${storage}/upload`, Buffer.from(body), headers)
}

test('it is no storage of files', async () => {
  expect((await download('tank', 'a.exe')).reason).toBe(
    "can't upload to storage type 'zfspool', not a file based storage!",
  )
  expect((await upload('tank', 'a.exe')).reason).toBe("can't upload to storage type 'zfspool'")
})

test('it does not take such files: a download hears of it before its name is looked at, an upload after', async () => {
  const name = { filename: 'wrong file extension' }
  expect((await download('files', 'a.exe')).reason).toBe(
    "storage 'files' is not configured for content-type 'iso'",
  )
  expect((await upload('files', 'a.exe')).errors).toEqual(name)
  expect((await upload('files', 'a.iso')).reason).toBe("storage 'files' does not support 'iso' content")
})
