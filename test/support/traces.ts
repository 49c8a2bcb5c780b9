/**
 * Production arrivals of language models, tiled and stretched to a length: their bursts and sizes stay as they are.
 *
 * Source: Azure/AzurePublicDataset (Splitwise, ISCA 2024), CC BY 4.0, one hour each. Read from `../shared`; absent there,
 * `hasTraces` is false and the proofs that need them are skipped.
 */
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { gunzipSync } from "node:zlib"
import { root } from "../architecture/sources.ts"

export interface Arrival {
  readonly atMs: number
  readonly promptTokens: number
  readonly outputTokens: number
}

const folder = path.join(root, "../shared/data/traces")

export const hasTraces = existsSync(folder)

const hourMs = 3_600_000

/**
 * `hours` of arrivals. The hour of the trace is repeated; within it time runs `stretch` times slower, so 24 hours with a
 * stretch of 4 repeat it six times at a quarter of its rate.
 */
export const arrivals = (
  trace: "code" | "conv",
  options: { readonly hours: number; readonly stretch: number }
): ReadonlyArray<Arrival> => {
  const lines = gunzipSync(readFileSync(path.join(folder, `azure-llm-2023-${trace}.csv.gz`)))
    .toString("utf8")
    .trimEnd()
    .split("\n")
    .slice(1)
  const out: Array<Arrival> = []
  for (let tile = 0; ; tile++) {
    for (const line of lines) {
      const [at, promptTokens, outputTokens] = line.split(",").map(Number)
      const atMs = Math.round((tile * hourMs + at!) * options.stretch)
      if (atMs >= options.hours * hourMs) return out
      out.push({ atMs, promptTokens: promptTokens!, outputTokens: outputTokens! })
    }
  }
}

/** Tokens per minute over all of the arrivals. */
export const tokensPerMinute = (list: ReadonlyArray<Arrival>, hours: number): number =>
  list.reduce((sum, { outputTokens, promptTokens }) => sum + promptTokens + outputTokens, 0) / (hours * 60)
