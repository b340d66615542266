import { expect, test } from 'vitest'
import type { VmDesign } from '../../../scripts/lib/registry/entry.mts'
import { userDataFile } from '../../../scripts/lib/vm/stack/folder.mts'
import { entry } from '../registry/entries.mts'

const vm = (id: string, cloudInit: Partial<VmDesign['cloudInit']>) =>
  entry('web-1', { id, design: { cloudInit } as VmDesign })

test('two sites may have VMs of one name on one storage', () => {
  expect(userDataFile(vm('1234', { ownFile: true }))).toBe('proxmint-web-1-1234')
  expect(userDataFile(vm('5678', { ownFile: true }))).toBe('proxmint-web-1-5678')
})

test('a VM that was made before keeps its file, of which its config tells', () => {
  expect(userDataFile(vm('1234', {}))).toBe('proxmint-web-1')
})
