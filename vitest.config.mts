import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    projects: [
      { test: { name: 'unit', include: ['{lab/test,test}/unit/**/*.test.mts'], testTimeout: 20_000 } },
      {
        test: {
          name: 'lab',
          include: ['lab/test/**/*.test.mts'],
          exclude: ['lab/test/unit/**'],
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
          // Most of it waits: for Packer, boots, locks that get old. More would be too many for two cores.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
          // Packer mostly waits; more would only make each build slower on two cores.
          maxConcurrency: 3,
        },
      },
    ],
  },
})
