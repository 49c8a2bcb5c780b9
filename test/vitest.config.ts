/**
 * One run for every test. Files that start servers, browsers or package managers come last and one at a time, since
 * they would take the two cores from each other.
 */
import { defineConfig } from "vitest/config"

const serial = [
  "chaos/**/*.test.ts",
  "cluster/**/*.test.ts",
  "e2e/**/*.test.ts",
  "operations/**/*.test.ts",
  "packaging/**/*.test.ts"
]

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default", "./reporter.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "tests",
          include: ["**/*.test.ts"],
          exclude: [...serial, "**/node_modules/**"],
          testTimeout: 20_000,
          hookTimeout: 30_000,
          sequence: { groupOrder: 0 }
        }
      },
      {
        extends: true,
        test: {
          name: "serial",
          include: serial,
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
          sequence: { groupOrder: 1 }
        }
      }
    ]
  }
})
