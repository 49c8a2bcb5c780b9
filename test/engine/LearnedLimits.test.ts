import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { LearnedLimits, type Mark, namedBy } from "../../engine/src/LearnedLimits.ts"
import { LearnedRate } from "../../engine/src/LearnedRate.ts"
import { ProviderRateLimited } from "../../engine/src/Errors.ts"
import type { Outcome } from "../../engine/src/Call.ts"
import type { LearnMode } from "../../engine/src/Provider.ts"
import type { ReportedLimit } from "../../engine/src/ReportedLimit.ts"
import type { AttemptCall } from "../../engine/src/Stage.ts"
import { completionOf } from "../../engine/src/testing.ts"

const minute = 60_000

const rate = (configured: number | undefined, learn: LearnMode = true) =>
  new LearnedRate({ configured, windowMs: minute, learn, minimumBurst: () => 10 })

const told = (fields: Partial<ReportedLimit>): ReportedLimit => ({
  resource: "requests",
  windowMs: minute,
  limit: undefined,
  remaining: undefined,
  resetMs: undefined,
  ...fields
})

/** Takes as soon as there is room and somebody always waits; the provider answers after 100 ms. */
const saturate = (learned: LearnedRate, fromMs: number, untilMs: number, takes: (nowMs: number) => boolean) => {
  const answers: Array<{ atMs: number; takenAtMs: number; mark: number; ok: boolean }> = []
  let passed = 0
  let refused = 0
  for (let nowMs = fromMs; nowMs < untilMs; nowMs += 50) {
    while (answers.length > 0 && answers[0]!.atMs <= nowMs) {
      const { mark, ok, takenAtMs } = answers.shift()!
      if (ok) learned.passed(mark, 1, takenAtMs, nowMs)
      else learned.refused(mark, 1, takenAtMs, nowMs)
    }
    while (learned.waitMs(1, nowMs) === 0) {
      learned.window.take(1, nowMs)
      const ok = takes(nowMs)
      if (ok) passed++
      else refused++
      answers.push({ atMs: nowMs + 100, takenAtMs: nowMs, mark: learned.window.usedAt(nowMs), ok })
    }
  }
  return { passed, refused }
}

/** An exact sliding minute. */
const enforcing = (limit: () => number) => {
  let log: Array<number> = []
  return (nowMs: number): boolean => {
    log = log.filter((atMs) => atMs > nowMs - minute)
    if (log.length >= limit()) return false
    log.push(nowMs)
    return true
  }
}

describe("LearnedRate", () => {
  it("takes a reported limit as it is, up and down", () => {
    const learned = rate(60)
    learned.reported({ limit: 500, windowMs: minute, remaining: 499, resetMs: 120 }, 1, 0)
    expect(learned).toMatchObject({ learned: 500 })
    learned.reported({ limit: 30, windowMs: minute, remaining: 29, resetMs: 2000 }, 1, 0)
    expect(learned).toMatchObject({ learned: 30 })
    learned.reported({ limit: 60, windowMs: minute, remaining: 59, resetMs: 1000 }, 1, 0)
    expect(learned.learned).toBeUndefined()
  })

  it("takes a shorter window over, and keeps a shorter one that is configured", () => {
    const learned = rate(undefined)
    expect(learned.limit).toBeUndefined()
    learned.reported({ limit: 60, windowMs: 10_000, remaining: 59, resetMs: undefined }, 1, 0)
    expect(learned.limit).toMatchObject({ limit: 60, windowMs: 10_000 })
    const second = new LearnedRate({ configured: 600, windowMs: 1000, learn: true, minimumBurst: () => 10 })
    second.reported({ limit: 1200, windowMs: minute, remaining: 1199, resetMs: undefined }, 1, 0)
    expect(second.limit).toMatchObject({ limit: 20, windowMs: 1000 })
  })

  it("keeps free what others of the same key use, until the provider says that it is there again", () => {
    const learned = rate(100)
    learned.reported({ limit: 100, windowMs: minute, remaining: 49, resetMs: 60_000 }, 1, 0)
    expect(learned.window.available(0)).toBeLessThanOrEqual(50)
    learned.reported({ limit: 100, windowMs: minute, remaining: 98, resetMs: 1000 }, 2, 1000)
    expect(learned.window.available(1000)).toBe(100)
  })

  it("lowers a limit that is refused to what had passed", () => {
    const learned = rate(120)
    const { refused } = saturate(
      learned,
      0,
      10 * minute,
      enforcing(() => 60)
    )
    expect(learned.window.limit).toBe(60)
    expect(refused).toBeLessThanOrEqual(2)
  })

  it("raises a limit that is full step by step, and remembers the ceiling that it finds", () => {
    const learned = rate(30, "probe")
    const first = saturate(
      learned,
      0,
      4 * minute,
      enforcing(() => 60)
    )
    expect(learned.window.limit).toBeGreaterThanOrEqual(58)
    expect(first.refused).toBeGreaterThan(0)
    const later = saturate(
      learned,
      4 * minute,
      9 * minute,
      enforcing(() => 60)
    )
    expect(later.refused).toBe(0)
  })

  it("never raises a limit that nobody waits for", () => {
    const learned = rate(30)
    for (let nowMs = 0; nowMs < 60 * minute; nowMs += 4000) {
      learned.waitMs(1, nowMs)
      learned.window.take(1, nowMs)
      learned.passed(learned.window.usedAt(nowMs), 1, nowMs, nowMs + 100)
    }
    expect(learned.window.limit).toBe(30)
  })

  it("goes above what is configured only when it is told to, by the provider or by `probe`", () => {
    const learned = rate(30)
    saturate(learned, 0, 10 * minute, () => true)
    expect(learned.window.limit).toBe(30)
    learned.reported({ limit: 500, windowMs: minute, remaining: 499, resetMs: 1 }, 1, 10 * minute)
    expect(learned.window.limit).toBe(500)
  })

  it("never exceeds what is configured with `down`, and stays there with false", () => {
    for (const learn of ["down", false] as const) {
      const learned = rate(30, learn)
      saturate(learned, 0, 10 * minute, () => true)
      learned.reported({ limit: 500, windowMs: minute, remaining: 499, resetMs: 1 }, 1, 10 * minute)
      expect(learned.window.limit).toBe(30)
      expect(learned.learned).toBeUndefined()
    }
    const off = rate(60, false)
    saturate(
      off,
      0,
      3 * minute,
      enforcing(() => 30)
    )
    expect(off.window.limit).toBe(60)
  })

  it("recovers to what is configured with `down` once the provider takes it again", () => {
    let limit = 30
    const learned = rate(60, "down")
    const provider = enforcing(() => limit)
    saturate(learned, 0, 3 * minute, provider)
    expect(learned.window.limit).toBe(30)
    limit = 60
    saturate(learned, 3 * minute, 20 * minute, provider)
    expect(learned.window.limit).toBe(60)
  })

  it("stays within its bounds whatever it is told", () => {
    const event = fc.record({
      kind: fc.constantFrom("passed", "refused", "reported"),
      mark: fc.nat({ max: 200 }),
      limit: fc.integer({ min: 1, max: 1_000_000 }),
      remaining: fc.nat({ max: 1_000_000 }),
      pauseMs: fc.nat({ max: 100_000 })
    })
    fc.assert(
      fc.property(
        fc.array(event, { maxLength: 60 }),
        fc.constantFrom<LearnMode>(true, "probe", "down", false),
        (events, learn) => {
          const learned = rate(60, learn)
          let nowMs = 0
          for (const { kind, limit, mark, pauseMs, remaining } of events) {
            nowMs += pauseMs
            if (kind === "passed") learned.passed(mark, 1, nowMs, nowMs)
            else if (kind === "refused") learned.refused(mark, 1, nowMs, nowMs)
            else learned.reported({ limit, windowMs: minute, remaining, resetMs: pauseMs }, mark, nowMs)
            expect(learned.window.limit).toBeGreaterThanOrEqual(1)
            if (learn === "down" || learn === false) expect(learned.window.limit).toBeLessThanOrEqual(60)
            expect(Number.isFinite(learned.waitMs(1, nowMs))).toBe(true)
            expect(learned.window.available(nowMs)).toBeGreaterThanOrEqual(0)
          }
        }
      )
    )
  })
})

describe("LearnedLimits", () => {
  const limits = (fields: Partial<ConstructorParameters<typeof LearnedLimits>[0]> = {}) =>
    new LearnedLimits({
      requestsPerMinute: undefined,
      tokensPerMinute: undefined,
      concurrent: 64,
      windowMs: minute,
      learn: true,
      ...fields
    })
  const mark = (fields: Partial<Mark>): Mark => ({
    takenAtMs: 1,
    tokens: 100,
    requestsHeld: 1,
    tokensHeld: 100,
    activeHeld: 1,
    ...fields
  })
  const callWith = (rateLimits?: ReadonlyArray<ReportedLimit>) =>
    ({ attempt: { sentAtMs: 1, firstPartAtMs: 2, rateLimits } }) as unknown as AttemptCall
  const success: Outcome = { _tag: "Success", completion: completionOf("m", "x", { uncachedInput: 80, output: 20 }) }
  const refusal = (detail = "429", type?: string): Outcome => ({
    _tag: "Failure",
    error: new ProviderRateLimited({ provider: "p", model: "m", detail, type }),
    partial: undefined
  })

  it("learns requests and tokens from one answer", () => {
    const learned = limits()
    const reports = [
      told({ limit: 500, remaining: 499 }),
      told({ resource: "tokens", limit: 30_000, remaining: 29_900 }),
      told({ windowMs: 86_400_000, limit: 1000, remaining: 0 })
    ]
    learned.settle(mark({}), callWith(reports), success, 10)
    expect(learned.requests.learned).toBe(500)
    expect(learned.tokens.learned).toBe(30_000)
  })

  it("takes limits of prompts and of answers for a limit of all tokens, by their usual share", () => {
    const learned = limits()
    const reports = [
      told({ resource: "tokens", limit: 56_000, remaining: 56_000 }),
      told({ resource: "input-tokens", limit: 40_000, remaining: 40_000 }),
      told({ resource: "output-tokens", limit: 16_000, remaining: 16_000 })
    ]
    for (let i = 0; i < 300; i++) learned.settle(mark({}), callWith(reports), success, 10)
    expect(learned.tokens.learned).toBeGreaterThan(49_000)
    expect(learned.tokens.learned).toBeLessThan(51_000)
  })

  it("lays a refusal to the limit that it names", () => {
    expect(namedBy({ detail: "Rate limit reached on tokens per min (TPM): Limit 10000", type: "tokens" })).toBe(
      "tokens"
    )
    expect(namedBy({ detail: "Rate limit reached on requests per min (RPM): Limit 3", type: "requests" })).toBe(
      "requests"
    )
    expect(namedBy({ detail: "Too many concurrent requests", code: "concurrency_limit" })).toBe("concurrent")
    expect(namedBy({ detail: "Too many requests", type: undefined, code: undefined })).toBeUndefined()
    const learned = limits({ requestsPerMinute: 60, tokensPerMinute: 60_000 })
    learned.settle(mark({ requestsHeld: 31, tokensHeld: 30_000 }), callWith(), refusal("", "tokens"), 10)
    expect(learned.requests.learned).toBeUndefined()
    expect(learned.tokens.learned).toBeLessThan(31_000)
  })

  it("lays a refusal without words to calls at once, when there were more than ever", () => {
    const learned = limits()
    for (let active = 1; active <= 4; active++) learned.settle(mark({ activeHeld: active }), callWith(), success, 10)
    learned.settle(mark({ activeHeld: 5, takenAtMs: 20 }), callWith(), refusal(), 30)
    expect(learned.learnedConcurrent).toBeUndefined()
    learned.settle(mark({ activeHeld: 5, takenAtMs: 40 }), callWith(), refusal(), 50)
    expect(learned.concurrent).toBe(4)
    expect(learned.learnedConcurrent).toBe(4)
  })

  it("takes fewer calls at once back when as many as were refused are answered", () => {
    const learned = limits({ concurrent: 20 })
    for (const atMs of [10, 20]) {
      learned.settle(mark({ activeHeld: 8, takenAtMs: atMs - 5 }), callWith(), refusal(), atMs)
    }
    expect(learned.concurrent).toBe(7)
    for (let active = 8; active <= 20; active++) {
      learned.settle(mark({ activeHeld: active, takenAtMs: 12 }), callWith(), success, 100 + active)
    }
    expect(learned.learnedConcurrent).toBeUndefined()
  })

  it("learns no rate from refusals with answers between them where none is configured", () => {
    const learned = limits()
    let nowMs = 0
    for (let held = 1; held <= 300; held++) {
      const held1 = mark({ requestsHeld: held, takenAtMs: (nowMs += 100) })
      learned.settle(held1, callWith(), held % 10 < 3 ? refusal() : success, (nowMs += 50))
    }
    expect(learned.requests.learned).toBeUndefined()
    expect(learned.learnedConcurrent).toBeUndefined()
  })

  it("learns a rate where none is configured when refusals follow each other with nothing between them", () => {
    const learned = limits()
    let nowMs = 0
    for (let held = 1; held <= 70; held++) {
      const taken = mark({ requestsHeld: held, takenAtMs: (nowMs += 100) })
      learned.settle(taken, callWith(), held > 60 ? refusal() : success, (nowMs += 50))
    }
    expect(learned.requests.learned).toBeGreaterThanOrEqual(55)
    expect(learned.requests.learned).toBeLessThanOrEqual(65)
  })

  it("lets calls at once rise again after a while, never above what is configured", () => {
    const learned = limits({ concurrent: 4 })
    learned.settle(mark({ activeHeld: 3 }), callWith(), refusal("too many concurrent requests"), 10)
    expect(learned.concurrent).toBe(2)
    for (let nowMs = 0; nowMs < 30 * minute; nowMs += 1000) {
      learned.settle(mark({ activeHeld: learned.concurrent, takenAtMs: nowMs }), callWith(), success, nowMs)
    }
    expect(learned.concurrent).toBe(4)
    expect(learned.learnedConcurrent).toBeUndefined()
  })

  it("learns nothing from attempts that reached nobody, or when it is off", () => {
    const reports = [told({ limit: 5, remaining: 0 })]
    const unsent = { attempt: { sentAtMs: undefined, rateLimits: reports } } as unknown as AttemptCall
    const learned = limits({ requestsPerMinute: 60 })
    learned.settle(mark({}), unsent, refusal(), 10)
    expect(learned.requests.learned).toBeUndefined()
    const off = limits({ requestsPerMinute: 60, learn: false })
    off.settle(mark({}), callWith(reports), refusal(), 10)
    expect(off.requests.learned).toBeUndefined()
    expect(off.concurrent).toBe(64)
  })

  it("shows what is reported and holds nobody by it, where it only watches", () => {
    const learned = limits({ learn: "watch" })
    learned.settle(mark({}), callWith([told({ limit: 3, remaining: 0, resetMs: minute })]), success, 10)
    for (let ms = 11; ms < 20; ms++) learned.settle(mark({}), callWith(), refusal(), ms)
    expect(learned.requests.learned).toBe(3)
    expect(learned.requests.remaining).toBe(0)
    expect(learned.requests.waitMs(1000, 20)).toBe(0)
    expect(learned.concurrent).toBe(64)
  })
})
