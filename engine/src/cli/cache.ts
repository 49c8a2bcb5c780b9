/**
 * `millrace cache`: figures, export, import, purging and explanations of a running gateway's cache, by its admin API.
 *
 * Everything goes through the API, so it needs the gateway's address and its admin token, and works from anywhere. Files
 * are those of `CacheFile`: bad lines are told by their number and left out.
 */
import { Console, Effect, FileSystem, Option, type Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { CacheRecord } from "../CacheRecord.ts"
import * as CacheFile from "../stores/CacheFile.ts"
import { clientOf, CommandFailed, connection, number, print, told } from "./AdminConnection.ts"

const stats = Command.make(
  "stats",
  connection,
  Effect.fnUntraced(function* (options) {
    const status = yield* told(Effect.flatMap(clientOf(options), (client) => client.cache()))
    const share = status.hitRate === null ? "none asked yet" : `${(status.hitRate * 100).toFixed(1)} %`
    yield* print(options.json, status, [
      `entries    ${number(status.entries)} of ${number(status.maxSize)}`,
      `bytes      ${number(status.bytes)} of ${number(status.maxBytes)}`,
      `hit rate   ${share}`,
      `hits       ${number(status.hits)} exact (${number(status.staleHits)} stale), ` +
        `${number(status.semanticHits)} semantic, ${number(status.coalesced)} coalesced`,
      `misses     ${number(status.misses)}`,
      `evictions  ${number(status.evictions)}`,
      `store      ${status.store.kind}${status.store.reason === null ? "" : `: ${status.store.reason}`}`
    ])
  })
).pipe(Command.withDescription("Figures of the cache"))

const exportFile = Command.make(
  "export",
  { ...connection, file: Argument.String("file") },
  Effect.fnUntraced(function* (options) {
    const files = yield* FileSystem.FileSystem
    const client = yield* told(clientOf(options))
    let exported = 0
    let cursor: string | undefined
    yield* told(files.writeFileString(options.file, `${CacheFile.headerLine}\n`))
    do {
      const page = yield* told(client.exportCache({ query: cursor === undefined ? {} : { cursor } }))
      const lines = page.records.map((record) => `${CacheFile.lineOf(record)}\n`).join("")
      yield* told(files.writeFileString(options.file, lines, { flag: "a" }))
      exported += page.records.length
      cursor = page.nextCursor ?? undefined
      if (!options.json) yield* Console.error(`${number(exported)} entries`)
    } while (cursor !== undefined)
    yield* print(options.json, { exported, file: options.file }, [`${number(exported)} entries in ${options.file}`])
  })
).pipe(Command.withDescription("Write all entries to a file, one a line; it holds answers in clear text"))

const importFile = Command.make(
  "import",
  { ...connection, file: Argument.String("file") },
  Effect.fnUntraced(function* (options) {
    const client = yield* told(clientOf(options))
    const context = yield* Effect.context<never>()
    let imported = 0
    let failed: string | undefined
    const send = async (records: ReadonlyArray<CacheRecord>): Promise<void> => {
      if (failed !== undefined) return
      const sent = await Effect.runPromiseWith(context)(
        Effect.result(told(client.importCache({ payload: { records } })))
      )
      if (sent._tag === "Failure") failed = sent.failure.message
      else {
        imported += sent.success.imported
        if (!options.json) console.error(`${number(imported)} entries`)
      }
    }
    const { bad, badLines, failure, records } = yield* CacheFile.read(options.file, send)
    for (const { detail, line } of badLines) yield* Console.error(`line ${line} ${detail}`)
    const problem = failure ?? failed
    if (problem !== undefined) return yield* new CommandFailed({ detail: `${options.file}: ${problem}` })
    const skipped = records - imported
    yield* print(options.json, { imported, skipped, bad, badLines }, [
      `${number(imported)} entries imported, ${number(skipped)} were over or older than what is there, ${number(bad)} bad lines`
    ])
  })
).pipe(Command.withDescription("Read entries from a file of `millrace cache export`"))

const filter = (name: string, what: string) =>
  Flag.String(name).pipe(Flag.withDescription(`Only entries of this ${what}`), Flag.optional)

const purge = Command.make(
  "purge",
  {
    ...connection,
    provider: filter("provider", "provider"),
    model: filter("model", "model"),
    tenant: filter("tenant", "tenant"),
    namespace: filter("namespace", "namespace"),
    key: Flag.String("key").pipe(Flag.withDescription("One entry by its key"), Flag.optional)
  },
  Effect.fnUntraced(function* (options) {
    const { key, model, namespace, provider, tenant } = options
    const client = yield* told(clientOf(options))
    const given = { provider, model, tenant, namespace }
    const payload = Object.fromEntries(
      Object.entries(given).flatMap(([name, value]) => (Option.isSome(value) ? [[name, value.value]] : []))
    )
    const purged = Option.isSome(key)
      ? yield* Effect.as(told(client.evictCacheEntry({ params: { key: key.value } })), 1)
      : (yield* told(client.purgeCache({ payload }))).purged
    yield* print(options.json, { purged }, [`${number(purged)} entries removed`])
  })
).pipe(Command.withDescription("Remove all entries, or those that match"))

/** JSON of a request, the path of a file with one, or the key of an entry. */
const side = (text: string) =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    const isJson = text.trimStart().startsWith("{")
    if (!isJson && !(yield* files.exists(text))) return text
    const content = isJson ? text : yield* files.readFileString(text)
    return yield* Effect.try({
      try: () => JSON.parse(content) as { readonly [key: string]: Schema.Json },
      catch: () => new CommandFailed({ detail: `${isJson ? "the argument" : text} is not JSON` })
    })
  })

const explain = Command.make(
  "explain",
  { ...connection, a: Argument.String("a"), b: Argument.String("b") },
  Effect.fnUntraced(function* (options) {
    const a = yield* told(side(options.a))
    const b = yield* told(side(options.b))
    const client = yield* told(clientOf(options))
    const found = yield* told(client.explainCache({ payload: { a, b } }))
    yield* print(
      options.json,
      found,
      found.same ? ["the same entry"] : ["different entries, by:", ...found.fields.map((field) => `  ${field}`)]
    )
  })
).pipe(
  Command.withDescription("Name the fields by which two requests (JSON, files with JSON, or keys of entries) differ")
)

export const cache = Command.make("cache").pipe(
  Command.withDescription("The cache of a running gateway: figures, export, import, purging, explanations"),
  Command.withSubcommands([stats, exportFile, importFile, purge, explain])
)
