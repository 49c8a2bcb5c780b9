/**
 * What counting one call costs.
 */
import { Effect } from "effect"
import { Counter, Histogram, Registry } from "prom-client"
import { Metrics } from "../../engine/src/Metrics.ts"
import { compare, type Entry } from "./measure.ts"
import { attemptOf, reply, requestOf, routed, success } from "./pipeline.ts"
import type { Options, Table } from "./report.ts"
import { samePrompt } from "./workload.ts"

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const registers = [new Registry()]
  const counter = new Counter({ name: "calls", help: "calls", labelNames: ["provider", "model"], registers })
  const histogram = new Histogram({ name: "seconds", help: "seconds", labelNames: ["provider", "model"], registers })
  const labels = { provider: "openai", model: "gpt-5.4-mini" }
  const metrics = await Effect.runPromise(Effect.provide(Metrics, Metrics.layer()))
  const open = metrics.stage(() => reply)
  const request = requestOf(samePrompt)
  const entries: ReadonlyArray<Entry> = [
    {
      name: "prom-client, one inc",
      run: (count) => {
        for (let i = 0; i < count; i++) counter.inc(labels)
      }
    },
    {
      name: "prom-client, one observe",
      run: (count) => {
        for (let i = 0; i < count; i++) histogram.observe(labels, i % 10)
      }
    },
    {
      name: "Millrace, all of a call",
      run: (count) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              for (let i = 0; i < count; i++) {
                const call = routed(request)
                const { attempt } = attemptOf(call)
                call.journal.attempts.push(attempt)
                call.journal.target = attempt.target
                call.journal.cache = "miss"
                call.journal.firstPartAtMs = call.journal.startedAtMs
                yield* open(call)
                yield* call.settlement.run(success)
              }
            })
          )
        ),
      goals: [{ kind: "at-most", value: 2 }]
    }
  ]
  return [{ title: "Metrics of one call", unit: "µs", rows: await compare(entries, options) }]
}
