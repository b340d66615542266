import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

const common = {
  // Projects run beside each other. By default Vitest takes one worker on two cores, but many tests wait for others.
  maxWorkers: 2,
  // Tests start some hundred commands; this halves what it takes to load one.
  env: { NODE_COMPILE_CACHE: join(import.meta.dirname, 'node_modules/.cache/node') },
}

const e2e = {
  ...common,
  testTimeout: 300_000,
  hookTimeout: 600_000,
  // Packer mostly waits; more would only make each build slower on two cores.
  maxConcurrency: 3,
  globalSetup: 'test/e2e/golden-folder.mts',
}

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'unit',
          include: ['{lab/test,test}/unit/**/*.test.mts'],
          testTimeout: 20_000,
        },
      },
      {
        test: {
          ...common,
          name: 'lab',
          include: ['lab/test/**/*.test.mts'],
          exclude: ['lab/test/unit/**'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      { test: { ...e2e, name: 'e2e', include: ['test/e2e/**/*.test.mts'] } },
      // What takes minutes and changes rarely: `make test-nightly`.
      { test: { ...e2e, name: 'nightly', include: ['test/nightly/**/*.test.mts'] } },
    ],
  },
})
