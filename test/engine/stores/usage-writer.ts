/**
 * A process that writes usage records in strict mode for as long as it lives, and prints the id of each that is safe.
 */
import { Effect } from "effect"
import * as UsageDatabase from "../../../engine/src/stores/UsageDatabase.ts"
import { UsageLog } from "../../../engine/src/UsageLog.ts"
import { recordOf } from "../../contracts/usage-record.ts"

const write = Effect.gen(function* () {
  const log = yield* UsageLog
  let count = 0
  yield* Effect.forEach(
    Array.from({ length: 8 }),
    () =>
      Effect.gen(function* () {
        while (true) {
          const id = `r${++count}`
          yield* log.record(recordOf({ id })) ?? Effect.void
          process.stdout.write(`${id}\n`)
        }
      }),
    { concurrency: "unbounded" }
  )
})

await Effect.runPromise(
  Effect.provide(write, UsageDatabase.layer({ database: `sqlite:${process.argv[2]}`, durability: "strict" }))
)
