/**
 * Usage records packed for the way to another thread.
 *
 * Numbers go into one array whose memory is handed over, not copied; words are sent once and named by their number after
 * that. That is about a third of the time that cloning the records or writing them as JSON takes the sending thread.
 * Every number that is no number stands for null.
 */
import type { AttemptRecord, UsageRecord } from "../UsageRecord.ts"

export interface UsageBatch {
  readonly ids: ReadonlyArray<string>
  readonly words: ReadonlyArray<string>
  readonly numbers: Float64Array<ArrayBuffer>
}

export const pack = (records: ReadonlyArray<UsageRecord>): UsageBatch => {
  const ids: Array<string> = []
  const words: Array<string> = []
  const numberOf = new Map<string, number>()
  const out: Array<number> = []
  const word = (text: string | null): number => {
    if (text === null) return Number.NaN
    let index = numberOf.get(text)
    if (index === undefined) {
      index = words.push(text) - 1
      numberOf.set(text, index)
    }
    return index
  }
  const nullable = (value: number | null): number => value ?? Number.NaN
  for (const record of records) {
    ids.push(record.id)
    out.push(
      record.timeMs,
      word(record.tenant),
      word(record.keyId),
      word(record.modelRequested),
      word(record.model),
      word(record.provider),
      word(record.status),
      word(record.fault),
      word(record.errorKind),
      word(record.cache),
      record.uncachedInput,
      record.cacheReadInput,
      record.cacheWriteInput,
      record.output,
      record.reasoning,
      record.estimated ? 1 : 0,
      nullable(record.costUsd),
      word(record.priceTable),
      word(record.unpricedReason),
      nullable(record.savedUsd),
      record.savedTokens,
      nullable(record.latencyMs),
      nullable(record.ttftMs),
      record.queueMs,
      nullable(record.cacheAgeMs),
      nullable(record.cacheSimilarity),
      record.attempts.length
    )
    for (const attempt of record.attempts) {
      const { error } = attempt
      out.push(
        word(attempt.provider),
        word(attempt.model),
        attempt.startedAtMs,
        attempt.queueMs,
        nullable(attempt.firstPartAtMs),
        nullable(attempt.endedAtMs),
        error === null ? 0 : 1
      )
      if (error === null) continue
      out.push(
        word(error.kind),
        word(error.fault),
        error.status,
        nullable(error.upstreamStatus),
        nullable(error.retryAfterMs)
      )
    }
  }
  return { ids, words, numbers: Float64Array.from(out) }
}

export const unpack = ({ ids, numbers, words }: UsageBatch): Array<UsageRecord> => {
  let next = 0
  const nullable = (): number | null => {
    const value = numbers[next++]!
    return Number.isNaN(value) ? null : value
  }
  const number = (): number => nullable() ?? 0
  const nullableWord = (): string | null => {
    const index = nullable()
    return index === null ? null : words[index]!
  }
  const word = <A extends string>(): A => words[number()]! as A
  const attempt = (): AttemptRecord => ({
    provider: word(),
    model: word(),
    startedAtMs: number(),
    queueMs: number(),
    firstPartAtMs: nullable(),
    endedAtMs: nullable(),
    error:
      number() === 0
        ? null
        : {
            kind: word(),
            fault: word(),
            status: number(),
            upstreamStatus: nullable(),
            retryAfterMs: nullable()
          }
  })
  return ids.map((id) => ({
    id,
    timeMs: number(),
    tenant: word(),
    keyId: nullableWord(),
    modelRequested: nullableWord(),
    model: nullableWord(),
    provider: nullableWord(),
    status: word(),
    fault: nullableWord() as UsageRecord["fault"],
    errorKind: nullableWord(),
    cache: word(),
    uncachedInput: number(),
    cacheReadInput: number(),
    cacheWriteInput: number(),
    output: number(),
    reasoning: number(),
    estimated: number() === 1,
    costUsd: nullable(),
    priceTable: nullableWord(),
    unpricedReason: nullableWord(),
    savedUsd: nullable(),
    savedTokens: number(),
    latencyMs: nullable(),
    ttftMs: nullable(),
    queueMs: number(),
    cacheAgeMs: nullable(),
    cacheSimilarity: nullable(),
    attempts: Array.from({ length: number() }, attempt)
  }))
}
