/**
 * The tables of shared prompts in Postgres with pgvector, made at the first use and apart from all others.
 *
 * A database without the extension, or a user who may not make it, is told as it is, and nothing else of Millrace needs it.
 * Vectors of each length have an HNSW index of their own where the extension has one (0.5 and later, up to 2,000 numbers,
 * with 0.7 up to 4,000 as half floats); others are compared one by one. From 0.8 on a search reads on in the index until it
 * has found enough of its partition.
 */
import { Effect } from "effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"

/** Version of the extension as a number: 0.8.6 is 8. */
export type VectorVersion = number

const lock = 6_174_100_005

/** Makes what is missing; returns the version of the extension. Instances that start at once take turns. */
export const prepare = (sql: SqlClient): Effect.Effect<VectorVersion, SqlError> =>
  sql.withTransaction(
    Effect.gen(function* () {
      yield* sql`SELECT pg_advisory_xact_lock(${BigInt(lock)})`
      yield* sql`CREATE EXTENSION IF NOT EXISTS vector`
      const [row] = yield* sql<{ readonly extversion: string }>`
        SELECT extversion FROM pg_extension WHERE extname = 'vector'`
      const version = versionOf(row?.extversion ?? "")
      yield* sql`CREATE TABLE IF NOT EXISTS semantic_prompts (
        space TEXT COLLATE "C" NOT NULL,
        key TEXT COLLATE "C" NOT NULL,
        partition TEXT COLLATE "C" NOT NULL,
        prompt TEXT NOT NULL,
        answer TEXT NOT NULL,
        dims INTEGER NOT NULL,
        embedding vector NOT NULL,
        added_ms BIGINT NOT NULL,
        expires_ms BIGINT NOT NULL,
        PRIMARY KEY (space, key)
      )`
      yield* sql`CREATE INDEX IF NOT EXISTS semantic_prompts_partition ON semantic_prompts (partition, space, dims)`
      yield* sql`CREATE INDEX IF NOT EXISTS semantic_prompts_expires ON semantic_prompts (expires_ms)`
      yield* sql`CREATE TABLE IF NOT EXISTS semantic_removals (
        place BIGSERIAL PRIMARY KEY,
        key TEXT NOT NULL,
        pair TEXT,
        removed_ms BIGINT NOT NULL
      )`
      yield* sql.unsafe(nearest(version))
      return version
    })
  )

const versionOf = (text: string): VectorVersion => {
  const [major = 0, minor = 0] = text.split(".").map(Number)
  return major * 100 + minor
}

/** A function, so that its setting and its search are one round trip; statements are made for each length of vectors. */
const nearest = (version: VectorVersion): string => `
  CREATE OR REPLACE FUNCTION semantic_nearest(
    wanted_space text, wanted_partition text, wanted text, type_name text, size integer, now_ms bigint, most integer
  ) RETURNS TABLE (key text, prompt text, added_ms bigint, similarity double precision)
  LANGUAGE plpgsql ${version >= 8 ? "SET hnsw.iterative_scan = 'strict_order'" : ""} AS $$
  BEGIN
    RETURN QUERY EXECUTE format(
      'SELECT p.key::text, p.prompt, p.added_ms, 1 - (p.embedding::%1$s <=> $3::%1$s)
       FROM semantic_prompts p
       WHERE p.dims = %2$s AND p.partition = $2 AND p.space = $1 AND p.expires_ms > $4
       ORDER BY p.embedding::%1$s <=> $3::%1$s LIMIT $5', type_name, size)
    USING wanted_space, wanted_partition, wanted, now_ms, most;
  END $$`

/** The type by which vectors of a length are compared, and indexed where they are. */
export const typeOf = (version: VectorVersion, dims: number): string =>
  dims > 2000 && dims <= 4000 && version >= 7 ? `halfvec(${dims})` : `vector(${dims})`

/** Makes the index for vectors of a length; does nothing where there can be none. */
export const index = (sql: SqlClient, version: VectorVersion, dims: number): Effect.Effect<void, SqlError> => {
  const type = typeOf(version, dims)
  if (version < 5 || dims > (type.startsWith("halfvec") ? 4000 : 2000)) return Effect.void
  const operators = type.startsWith("halfvec") ? "halfvec_cosine_ops" : "vector_cosine_ops"
  return Effect.asVoid(
    sql.withTransaction(
      Effect.andThen(
        sql`SELECT pg_advisory_xact_lock(${BigInt(lock)})`,
        sql.unsafe(
          `CREATE INDEX IF NOT EXISTS semantic_prompts_hnsw_${dims} ON semantic_prompts
           USING hnsw ((embedding::${type}) ${operators}) WHERE dims = ${dims}`
        )
      )
    )
  )
}
