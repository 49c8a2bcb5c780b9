import fc from "fast-check"
import { expect, it } from "vitest"
import { unpack, UsagePacker } from "../../../engine/src/stores/UsageBatch.ts"
import type { UsageRecord } from "../../../engine/src/UsageRecord.ts"
import { recordOf } from "../../contracts/usage-record.ts"

const text = fc.string({ unit: "binary" })
const number = fc.double({ noNaN: true, noDefaultInfinity: true })
const maybe = <A>(arbitrary: fc.Arbitrary<A>) => fc.option(arbitrary)
const fault = fc.constantFrom("caller", "policy", "provider", "engine")

/** As the caller's JSON was parsed. */
const throughJson = <A>(value: A): A => JSON.parse(JSON.stringify(value)) as A

const attempt = fc.record({
  provider: text,
  model: text,
  startedAtMs: number,
  queueMs: number,
  firstPartAtMs: maybe(number),
  endedAtMs: maybe(number),
  costUsd: maybe(number),
  error: maybe(
    fc.record({ kind: text, fault, status: fc.nat(), upstreamStatus: maybe(fc.nat()), retryAfterMs: maybe(number) })
  )
})

const record: fc.Arbitrary<UsageRecord> = fc.record({
  id: text,
  timeMs: number,
  tenant: text,
  keyId: maybe(text),
  modelRequested: maybe(text),
  model: maybe(text),
  provider: maybe(text),
  status: fc.constantFrom("success", "error", "cancelled"),
  fault: maybe(fault),
  errorKind: maybe(text),
  cache: fc.constantFrom("hit", "semantic", "coalesced", "miss", "bypass"),
  uncachedInput: number,
  cacheReadInput: number,
  cacheWriteInput: number,
  output: number,
  reasoning: number,
  estimated: fc.boolean(),
  costUsd: maybe(number),
  priceTable: maybe(text),
  unpricedReason: maybe(text),
  savedUsd: maybe(number),
  savedTokens: number,
  latencyMs: maybe(number),
  ttftMs: maybe(number),
  queueMs: number,
  cacheAgeMs: maybe(number),
  cacheSimilarity: maybe(number),
  overheadMs: maybe(number),
  stream: fc.boolean(),
  metadata: maybe(fc.dictionary(text, fc.jsonValue({ noUnicodeString: false }), { noNullPrototype: true })).map(
    throughJson
  ),
  content: maybe(fc.record({ prompt: text, answer: text })),
  inputUsd: maybe(number),
  cacheReadUsd: maybe(number),
  cacheWriteUsd: maybe(number),
  outputUsd: maybe(number),
  reasoningUsd: maybe(number),
  providerCacheSavedUsd: maybe(number),
  usageDetail: maybe(fc.record({ serviceTier: text, cacheWrite1h: fc.nat(), webSearches: fc.nat() })),
  errorDetail: maybe(text),
  fingerprint: maybe(text),
  attempts: fc.array(attempt, { maxLength: 3 })
})

const pack = (records: ReadonlyArray<UsageRecord>) => {
  const packer = new UsagePacker()
  for (const entry of records) packer.add(entry)
  expect(packer.size).toBe(records.length)
  return packer.pack()
}

it("unpacks every record as it was packed", () => {
  fc.assert(
    fc.property(fc.array(record, { maxLength: 20 }), (records) => {
      expect(unpack(structuredClone(pack(records)))).toEqual(records)
    })
  )
})

it("makes room for many records with many attempts", () => {
  const [sample] = fc.sample(attempt, 1)
  const records = Array.from({ length: 1500 }, (_, i) =>
    recordOf({ id: `r${i}`, tenant: `t${i}`, attempts: Array.from({ length: i % 7 }, () => sample!) })
  )
  expect(unpack(pack(records))).toEqual(records)
})

it("turns what is no number into null or zero, so that a wrong figure stops no batch", () => {
  const [unpacked] = unpack(pack([recordOf({ output: Number.NaN, costUsd: Number.NaN, latencyMs: Number.NaN })]))
  expect(unpacked).toMatchObject({ output: 0, costUsd: null, latencyMs: null })
})
