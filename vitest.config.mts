import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['test/unit/**/*.test.mts'], testTimeout: 20_000 } },
      {
        test: {
          name: 'lab',
          include: ['test/lab/**/*.test.mts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.mts'],
          testTimeout: 300_000,
          hookTimeout: 600_000,
          fileParallelism: false,
          // Packer mostly waits; more would only make each build slower on two cores.
          maxConcurrency: 3,
        },
      },
    ],
  },
})
