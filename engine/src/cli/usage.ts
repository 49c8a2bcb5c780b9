/**
 * `millrace usage`: reports, failures, export, retention and prices of the past.
 *
 * Everything works through the admin API of a running gateway. What reads or changes all of history (`export`, `prune`,
 * `reprice`) also works on a database that is named, when no gateway runs. Results go to stdout, progress to stderr.
 */
import { Clock, Console, Effect, FileSystem, Option, Stream } from "effect"
import { CliError, Command, Flag } from "effect/cli"
import type { PruneResult, RepriceResult } from "../AdminUsageAnswers.ts"
import { type ExportFormat, fileNameOf, linesOf } from "../stores/UsageExport.ts"
import { prunable } from "../stores/UsagePrune.ts"
import { mergeSteps, type Repriced, repriceStep } from "../stores/UsageReprice.ts"
import type { Position, RecordFilters, RowsScan, UsageStore } from "../UsageLog.ts"
import { clientOf, CommandFailed, connection, defaultUrl, number, print, told } from "./AdminConnection.ts"
import { isDirect, openStore, pricesOf } from "./usageDatabase.ts"
import {
  before,
  filters,
  fingerprint,
  givenOf,
  olderThan,
  onePlace,
  origin,
  place,
  type Place,
  range,
  recordFilters
} from "./usageFlags.ts"
import { errorLines, repriceLines, reportLines } from "./usageTables.ts"

const dayMs = 86_400_000

const bucket = Flag.Literals("bucket", ["minute", "hour", "day"]).pipe(
  Flag.withDescription("Length of the rows in time (hour by default)"),
  Flag.optional
)

const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Say what would be done, and do nothing"),
  Flag.withDefault(false)
)

const gatewayOf = ({ token, url }: Place) => clientOf({ token, url: Option.getOrElse(url, () => defaultUrl) })

const report = Command.make(
  "report",
  {
    ...connection,
    ...range,
    bucket,
    groupBy: Flag.Literals("group-by", ["model", "provider", "tenant", "key", "status", "cache"]).pipe(
      Flag.withDescription("A row for each of these"),
      Flag.optional
    ),
    ...filters,
    ...recordFilters
  },
  Effect.fnUntraced(function* ({ json, token, url, ...asked }) {
    const client = yield* told(clientOf({ token, url }))
    const found = yield* told(client.usage({ query: givenOf(asked) }))
    yield* print(json, found, reportLines(found, Option.getOrUndefined(asked.groupBy)))
  })
).pipe(
  Command.withDescription("Requests, tokens, dollars and latency over time, with their totals"),
  Command.withExamples([
    { command: "millrace usage report --from 30d --bucket day --group-by model", description: "A month by model" }
  ])
)

const errors = Command.make(
  "errors",
  {
    ...connection,
    ...range,
    bucket,
    limit: Flag.Int("limit").pipe(Flag.withDescription("Groups at most (20 by default)"), Flag.optional),
    fingerprint,
    ...origin
  },
  Effect.fnUntraced(function* ({ json, token, url, ...asked }) {
    const client = yield* told(clientOf({ token, url }))
    const found = yield* told(client.errors({ query: givenOf(asked) }))
    yield* print(json, found, errorLines(found.groups))
  })
).pipe(Command.withDescription("Failures that are alike, the most frequent first"))

const exportRows = Command.make(
  "export",
  {
    ...place,
    ...range,
    ...filters,
    ...recordFilters,
    format: Flag.Literals("format", ["csv", "ndjson"]).pipe(
      Flag.withDescription("csv by default"),
      Flag.withDefault("csv" as const)
    ),
    out: Flag.String("out").pipe(
      Flag.withAlias("o"),
      Flag.withDescription("File to write; stdout when it is -, a name after the range by default"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (options) {
    const { format, from, out, to } = options
    const { cache, errorKind, fault, fingerprint: group, key, minLatencyMs, model, provider, status, tenant } = options
    const records = { errorKind, fault, fingerprint: group, minLatencyMs }
    const asked = givenOf({ model, provider, tenant, key, status, cache, ...records })
    const toMs = Option.isSome(to) ? to.value : (yield* Clock.currentTimeMillis) + 1
    const fromMs = Option.getOrElse(from, () => toMs - dayMs)
    const file = Option.getOrElse(out, () => fileNameOf(format, fromMs, toMs))
    yield* Effect.scoped(
      Effect.gen(function* () {
        const written = isDirect(options)
          ? yield* save(yield* fromStore(options, { ...asked, fromMs, toMs }), file)
          : yield* Effect.flatMap(told(gatewayOf(options)), (client) =>
              Effect.flatMap(
                told(client.exportUsage({ query: { ...asked, format, from: fromMs, to: toMs } })),
                (bytes) => save(bytes, file)
              )
            )
        if (file !== "-") {
          yield* print(options.json, { file, bytes: written }, [`${number(written)} bytes in ${file}`])
        }
      })
    )
  })
).pipe(
  Command.validate((options) => onePlace(options)),
  Command.withDescription("Write requests to a file, one a line: the last 24 hours, or a range"),
  Command.withExamples([
    {
      command: "millrace usage export --from 2026-11-01 --to 2026-12-01 --format csv --out november.csv",
      description: "A month for a spreadsheet"
    }
  ])
)

const fromStore = (options: Place & { readonly format: ExportFormat }, scan: Omit<RowsScan, "limit"> & RecordFilters) =>
  Effect.map(
    Effect.flatMap(openStore(options), (store) => told(linesOf(store, options.format, scan))),
    Stream.encodeText
  )

/** Writes beside the file and puts it in its place when all of it is there; tells how far it is each few megabytes. */
const save = <E>(bytes: Stream.Stream<Uint8Array, E>, file: string) =>
  Effect.gen(function* () {
    let written = 0
    let shown = 0
    const counted = Stream.tap(bytes, (chunk) => {
      written += chunk.length
      if (written - shown < progressBytes) return Effect.void
      shown = written
      return Console.error(`${number(written)} bytes`)
    })
    if (file === "-") {
      yield* told(Stream.runForEach(counted, writeOut))
      return written
    }
    const files = yield* FileSystem.FileSystem
    const part = `${file}.part`
    yield* told(Stream.run(counted, files.sink(part)).pipe(Effect.onError(() => Effect.ignore(files.remove(part)))))
    yield* told(files.rename(part, file))
    return written
  })

const progressBytes = 8_000_000

/** Waits until stdout has taken it. */
const writeOut = (chunk: Uint8Array): Effect.Effect<void, CommandFailed> =>
  Effect.callback((resume) => {
    process.stdout.write(chunk, (error) =>
      resume(
        error === undefined || error === null ? Effect.void : Effect.fail(new CommandFailed({ detail: error.message }))
      )
    )
  })

const prune = Command.make(
  "prune",
  {
    ...place,
    before,
    olderThan,
    dryRun,
    keepRollups: Flag.Boolean("keep-rollups").pipe(
      Flag.withDescription("Keep the sums by hour and day of what is deleted"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* (options) {
    const { dryRun: dry, keepRollups } = options
    const nowMs = yield* Clock.currentTimeMillis
    const asked = Option.getOrElse(options.before, () => nowMs - Option.getOrThrow(options.olderThan))
    const beforeMs = Math.floor(asked / dayMs) * dayMs
    const result = isDirect(options)
      ? yield* pruneStore(options, beforeMs)
      : yield* Effect.flatMap(told(gatewayOf(options)), (client) =>
          told(client.pruneUsage({ payload: { before: beforeMs, dryRun: dry, keepRollups } }))
        )
    const sums = result.rollups === null || result.rollups === 0 ? "" : `, and ${number(result.rollups)} sums`
    yield* print(options.json, result, [
      `${number(result.requests)} requests before ${result.before.slice(0, 10)} ${dry ? "would be deleted" : `deleted${sums}`}`
    ])
  })
).pipe(
  Command.validate((options) => onePlace(options)),
  Command.validate(({ before: time, olderThan: age }) =>
    Option.isSome(time) === Option.isSome(age)
      ? Effect.fail(new CliError.ValidationError({ message: "give --before or --older-than" }))
      : Effect.void
  ),
  Command.withDescription("Forget requests of whole days (UTC), by a time or an age"),
  Command.withExamples([
    {
      command: "millrace usage prune --older-than 90d --keep-rollups",
      description: "Keep sums, forget single requests"
    }
  ])
)

const pruneStore = (
  options: Place & { readonly dryRun: boolean; readonly keepRollups: boolean },
  beforeMs: number
): Effect.Effect<PruneResult, CommandFailed> =>
  told(
    Effect.scoped(
      Effect.gen(function* () {
        const store = yield* openStore(options)
        const done = options.dryRun
          ? yield* prunable(store, beforeMs)
          : yield* store.prune({ beforeMs, keepRollups: options.keepRollups })
        const { rollups, rows } = done
        return { dryRun: options.dryRun, before: new Date(beforeMs).toISOString(), requests: rows, rollups }
      })
    )
  )

const reprice = Command.make(
  "reprice",
  { ...place, ...range, dryRun },
  Effect.fnUntraced(function* (options) {
    const range = givenOf({ from: options.from, to: options.to })
    const steps: Array<Omit<Repriced, "next">> = []
    const progress = (step: Omit<Repriced, "next">) => {
      steps.push(step)
      const looked = steps.reduce((sum, { requests }) => sum + requests, 0)
      return options.json ? Effect.void : Console.error(`${number(looked)} requests looked at`)
    }
    yield* isDirect(options)
      ? told(Effect.scoped(repriceStore(options, range, progress)))
      : told(repriceGateway(options, range, progress))
    const result = { dryRun: options.dryRun, ...mergeSteps(steps) }
    yield* print(options.json, result, repriceLines(result))
  })
).pipe(
  Command.validate((options) => onePlace(options)),
  Command.withDescription("Price history anew by today's configuration and price table"),
  Command.withExamples([
    { command: "millrace usage reprice --dry-run", description: "Say what would change, in all of history" },
    { command: "millrace usage reprice --config millrace.config.yaml --from 30d", description: "Without a gateway" }
  ])
)

interface Range {
  readonly from?: number
  readonly to?: number
}

type Progress = (step: Omit<Repriced, "next">) => Effect.Effect<void>

const repriceGateway = Effect.fnUntraced(function* (
  options: Place & { readonly dryRun: boolean },
  range: Range,
  progress: Progress
) {
  const client = yield* gatewayOf(options)
  const to = range.to ?? (yield* Clock.currentTimeMillis) + 1
  let cursor: string | undefined
  do {
    const step: RepriceResult = yield* client.repriceUsage({
      payload: { ...range, to, dryRun: options.dryRun, ...(cursor === undefined ? {} : { cursor }) }
    })
    yield* progress(step)
    cursor = step.nextCursor ?? undefined
  } while (cursor !== undefined)
})

const repriceStore = Effect.fnUntraced(function* (
  options: Place & { readonly dryRun: boolean },
  range: Range,
  progress: Progress
) {
  const price = yield* pricesOf(options)
  const store: UsageStore = yield* openStore(options)
  const toMs = range.to ?? (yield* Clock.currentTimeMillis) + 1
  let after: Position | undefined
  do {
    const step: Repriced = yield* repriceStep(store, {
      fromMs: range.from ?? 0,
      toMs,
      dryRun: options.dryRun,
      price,
      after,
      rows: 20_000
    })
    yield* progress(step)
    after = step.next
  } while (after !== undefined)
})

export const usage = Command.make("usage").pipe(
  Command.withDescription("What was used: reports, failures, export, retention, prices of the past"),
  Command.withSubcommands([report, errors, exportRows, prune, reprice])
)
