/**
 * Shared prompts in Postgres with pgvector, over connections of their own.
 *
 * A search is one round trip. Prompts are written many at a time, in one statement; what Postgres can't hold as text, a zero
 * character or half a surrogate pair, is left out, since a prompt that was changed could be taken for another.
 */
import { Effect, type Scope } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import {
  type NearPrompt,
  type SharedPrompt,
  type VectorStore,
  VectorStoreUnavailable,
  type WrongAnswer
} from "../VectorStore.ts"
import * as Database from "./Database.ts"
import * as Tables from "./VectorTables.ts"

export interface VectorPostgresOptions {
  readonly location: Database.DatabaseOptions["location"]
  /** Names what makes the vectors: those of another space are never compared with them. */
  readonly space: string
  /** Prompts of all spaces that are kept, 1,000,000 by default. */
  readonly maxPrompts?: number | undefined
}

/** Milliseconds that a statement may take; requests wait less. */
const timeoutMs = 5000
const removalsKept = 100_000
const removalsAtOnce = 10_000
/** pgvector holds no longer ones. */
const dimsMax = 16_000

interface Row {
  readonly key: string
  readonly partition: string
  readonly prompt: string
  readonly answer: string
  readonly embedding: string
  readonly added_ms: number | string | bigint
  readonly expires_ms: number | string | bigint
}

export const make = (options: VectorPostgresOptions): Effect.Effect<VectorStore, never, Scope.Scope> =>
  Effect.map(Database.make({ location: options.location, timeoutMs, maxConnections: 4 }), (database): VectorStore =>
    storeOf(database, options)
  )

const storeOf = (
  database: Database.Database["Service"],
  { maxPrompts = 1_000_000, space }: VectorPostgresOptions
): VectorStore => {
  let version: Tables.VectorVersion | undefined
  const indexed = new Set<number>()

  const use = <A, E>(f: (sql: SqlClient) => Effect.Effect<A, E>) =>
    Effect.mapError(
      database.use(f),
      (error) => new VectorStoreUnavailable({ detail: (error as Database.DatabaseUnavailable).detail })
    )

  const prepared = Effect.suspend(() =>
    version === undefined
      ? Effect.tap(use(Tables.prepare), (found) => Effect.sync(() => (version = found)))
      : Effect.succeed(version)
  )

  const put = (prompts: ReadonlyArray<SharedPrompt>) =>
    Effect.flatMap(prepared, (found) => {
      const held = prompts.filter(({ text, vector }) => isText.test(text) && vector.length <= dimsMax)
      if (held.length === 0) return Effect.void
      const lengths = [...new Set(held.map(({ vector }) => vector.length))].filter((dims) => !indexed.has(dims))
      const rows = JSON.stringify(held.map(rowOf))
      return use((sql) =>
        Effect.gen(function* () {
          for (const dims of lengths) {
            yield* Tables.index(sql, found, dims)
            indexed.add(dims)
          }
          yield* sql`
            INSERT INTO semantic_prompts (space, key, partition, prompt, answer, dims, embedding, added_ms, expires_ms)
            SELECT ${space}::text, r.key, r.partition, r.prompt, r.answer, r.dims, r.embedding::vector, r.added_ms,
              r.expires_ms
            FROM json_to_recordset(${rows}::text::json) AS r(key text, partition text, prompt text, answer text,
              dims integer, embedding text, added_ms bigint, expires_ms bigint)
            ORDER BY r.key
            ON CONFLICT (space, key) DO UPDATE SET partition = excluded.partition, prompt = excluded.prompt,
              answer = excluded.answer, dims = excluded.dims, embedding = excluded.embedding,
              added_ms = excluded.added_ms, expires_ms = excluded.expires_ms`
        })
      )
    })

  return {
    prepare: Effect.asVoid(prepared),
    put,
    nearest: (partition, vector, limit, nowMs) =>
      Effect.flatMap(prepared, (found) =>
        Effect.map(
          use(
            (sql) => sql<{
              readonly key: string
              readonly prompt: string
              readonly added_ms: number | string | bigint
              readonly similarity: number
            }>`SELECT key, prompt, added_ms, similarity FROM semantic_nearest(${space}::text, ${partition}::text,
                ${textOf(vector)}::text, ${Tables.typeOf(found, vector.length)}::text, ${vector.length}::integer,
                ${BigInt(Math.floor(nowMs))}::bigint, ${limit}::integer)`
          ),
          (rows) =>
            rows.map(({ added_ms: addedAtMs, key, prompt, similarity }): NearPrompt => ({
              key,
              text: prompt,
              addedAtMs: Number(addedAtMs),
              score: similarity
            }))
        )
      ),
    get: (keys, nowMs) =>
      keys.length === 0
        ? Effect.succeed([])
        : Effect.map(
            use(
              (
                sql
              ) => sql<Row>`SELECT key, partition, prompt, answer, embedding::text AS embedding, added_ms, expires_ms
                FROM semantic_prompts
                WHERE space = ${space} AND expires_ms > ${BigInt(Math.floor(nowMs))} AND ${sql.in("key", keys)}`
            ),
            (rows) => rows.map(promptOf)
          ),
    remove: (wrong: WrongAnswer, nowMs) =>
      Effect.andThen(
        prepared,
        use((sql) =>
          sql.withTransaction(
            Effect.andThen(
              sql`DELETE FROM semantic_prompts WHERE space = ${space} AND key = ${wrong.key}`,
              sql`INSERT INTO semantic_removals (key, pair, removed_ms)
                VALUES (${wrong.key}, ${wrong.pair}, ${BigInt(Math.floor(nowMs))})`
            )
          )
        ).pipe(Effect.asVoid)
      ),
    purge: (filter) =>
      Effect.andThen(
        prepared,
        Effect.map(
          use((sql) => {
            const wanted = Object.entries(filter).filter(([, value]) => value !== undefined)
            const conditions = wanted.map(([name, value]) => sql`answer::json ->> ${name} = ${value}`)
            return sql`DELETE FROM semantic_prompts WHERE ${sql.and([sql`true`, ...conditions])} RETURNING 1 AS one`
          }),
          (rows) => rows.length
        )
      ),
    removals: (place) =>
      Effect.andThen(
        prepared,
        Effect.map(
          use(
            (sql) => sql<{
              readonly place: number | string | bigint
              readonly key: string
              readonly pair: string | null
            }>`
              SELECT place, key, pair FROM semantic_removals WHERE place > ${BigInt(place)} ORDER BY place
              LIMIT ${removalsAtOnce}`
          ),
          (rows) => ({
            removed: rows.map(({ key, pair }) => ({ key, pair })),
            place: rows.reduce((last, row) => Math.max(last, Number(row.place)), place)
          })
        )
      ),
    prune: (nowMs) =>
      Effect.andThen(
        prepared,
        use((sql) =>
          Effect.gen(function* () {
            yield* sql`DELETE FROM semantic_prompts WHERE expires_ms <= ${BigInt(Math.floor(nowMs))}`
            yield* sql`DELETE FROM semantic_prompts WHERE (space, key) IN (
              SELECT space, key FROM semantic_prompts ORDER BY expires_ms DESC OFFSET ${maxPrompts})`
            yield* sql`DELETE FROM semantic_removals WHERE place <= (SELECT max(place) FROM semantic_removals) - ${BigInt(removalsKept)}`
          })
        )
      )
  }
}

/** No zero character, and no half of a surrogate pair. */
const isText = /^(?:(?![\0\p{Cs}])[^])*$/u

const textOf = (vector: ArrayLike<number>): string => `[${Array.from(vector, Math.fround).join(",")}]`

const rowOf = ({ addedAtMs, answer, expiresAtMs, key, partition, text, vector }: SharedPrompt) => ({
  key,
  partition,
  prompt: text,
  answer,
  dims: vector.length,
  embedding: textOf(vector),
  added_ms: Math.floor(addedAtMs),
  expires_ms: Math.floor(expiresAtMs)
})

const promptOf = (row: Row): SharedPrompt => ({
  key: row.key,
  partition: row.partition,
  text: row.prompt,
  answer: row.answer,
  vector: JSON.parse(row.embedding) as ReadonlyArray<number>,
  addedAtMs: Number(row.added_ms),
  expiresAtMs: Number(row.expires_ms)
})
