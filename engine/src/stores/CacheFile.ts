/**
 * Files of cache entries: one line that says what it is, then one record a line, as JSON.
 *
 * `millrace cache export` writes them, `import` and `cache.warmup` read them. A bad line is reported by its number and
 * left out; a file of another version is refused as a whole, since its keys mean something else. Files are read piece by
 * piece, so their size is no matter.
 */
import { createReadStream } from "node:fs"
import { createInterface } from "node:readline"
import { Effect, Predicate, Result } from "effect"
import { type CacheRecord, decodeRecord, recordVersion } from "../CacheRecord.ts"

/** The first line of a file. */
export const headerLine = JSON.stringify({ millrace: "cache", version: recordVersion })

export const lineOf = (record: unknown): string => JSON.stringify(record)

export interface BadLine {
  /** Counted from 1, the first line included. */
  readonly line: number
  readonly detail: string
}

export interface FileRead {
  readonly records: number
  readonly bad: number
  /** The first of the bad lines. */
  readonly badLines: ReadonlyArray<BadLine>
  /** Why nothing was read, or the rest was not. */
  readonly failure: string | undefined
}

/** Bad lines that are reported one by one. */
const badLinesMax = 20

/** Records that are handed over together. */
const batchSize = 50

/** Reads a file to its end; `take` may be asynchronous, and is waited for. Never fails: the result says what went wrong. */
export const read = (
  path: string,
  take: (records: ReadonlyArray<CacheRecord>) => Promise<void> | void
): Effect.Effect<FileRead> =>
  Effect.promise(async () => {
    const badLines: Array<BadLine> = []
    let records = 0
    let bad = 0
    let line = 0
    let batch: Array<CacheRecord> = []
    const result = (failure?: string): FileRead => ({ records, bad, badLines, failure })
    const hand = async () => {
      records += batch.length
      const full = batch
      batch = []
      if (full.length > 0) await take(full)
    }
    try {
      for await (const text of createInterface({
        input: createReadStream(path),
        crlfDelay: Number.POSITIVE_INFINITY
      })) {
        line++
        if (line === 1) {
          const failure = headerProblem(text)
          if (failure !== undefined) return result(failure)
          continue
        }
        if (text.trim() === "") continue
        const decoded = parsed(text)
        if (Result.isSuccess(decoded)) {
          batch.push(decoded.success)
          if (batch.length >= batchSize) await hand()
        } else if (bad++ < badLinesMax) badLines.push({ line, detail: decoded.failure })
      }
      await hand()
      return result(line === 0 ? "the file is empty" : undefined)
    } catch (error) {
      return result(Predicate.isError(error) ? error.message : String(error))
    }
  })

const parsed = (text: string): Result.Result<CacheRecord, string> => {
  try {
    return decodeRecord(JSON.parse(text))
  } catch {
    return Result.fail("is not JSON")
  }
}

const headerProblem = (text: string): string | undefined => {
  const header = headerOf(text)
  if (header?.["millrace"] !== "cache") return "the first line does not say that it is a cache of Millrace"
  return header["version"] === recordVersion
    ? undefined
    : `the file has version ${JSON.stringify(header["version"])}, this Millrace reads ${recordVersion}`
}

const headerOf = (text: string): { readonly [key: string]: unknown } | undefined => {
  try {
    const header: unknown = JSON.parse(text)
    return Predicate.isObject(header) ? (header as { readonly [key: string]: unknown }) : undefined
  } catch {
    return undefined
  }
}
