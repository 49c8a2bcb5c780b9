import { existsSync, globSync, readFileSync } from "node:fs"
import path from "node:path"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { quotaFailureOf, rateLimitsOf } from "../../../engine/src/protocols/RateLimitHeaders.ts"
import type { ReportedLimit } from "../../../engine/src/ReportedLimit.ts"
import { root } from "../../architecture/sources.ts"

const minute = 60_000
const day = 86_400_000
const nowMs = Date.parse("2026-01-01T00:00:00Z")
const read = (headers: Record<string, string>) => rateLimitsOf(headers, nowMs)

const reported = (fields: Partial<ReportedLimit>): ReportedLimit => ({
  resource: "requests",
  windowMs: minute,
  limit: undefined,
  remaining: undefined,
  resetMs: undefined,
  ...fields
})

describe("rateLimitsOf", () => {
  it("reads OpenAI's requests and tokens of a minute, with Go durations", () => {
    const limits = read({
      "x-ratelimit-limit-requests": "500",
      "x-ratelimit-limit-tokens": "200000",
      "x-ratelimit-limit-input-images": "50000",
      "x-ratelimit-remaining-requests": "499",
      "x-ratelimit-remaining-tokens": "199214",
      "x-ratelimit-reset-requests": "120ms",
      "x-ratelimit-reset-tokens": "1m30.951s"
    })
    expect(limits).toEqual([
      reported({ limit: 500, remaining: 499, resetMs: 120 }),
      reported({ resource: "tokens", limit: 200_000, remaining: 199_214, resetMs: 90_951 })
    ])
  })

  it("sees by the reset that Groq's requests, and those of OpenAI's first tier, are counted by the day", () => {
    const [groq, tokens] = read({
      "x-ratelimit-limit-requests": "1000",
      "x-ratelimit-remaining-requests": "989",
      "x-ratelimit-reset-requests": "15m50.4s",
      "x-ratelimit-limit-tokens": "8000",
      "x-ratelimit-remaining-tokens": "3989",
      "x-ratelimit-reset-tokens": "30.0825s"
    })!
    expect(groq).toEqual(reported({ windowMs: day, limit: 1000, remaining: 989, resetMs: 950_400 }))
    expect(tokens!.windowMs).toBe(minute)
    const [openAi] = read({
      "x-ratelimit-limit-requests": "10000",
      "x-ratelimit-remaining-requests": "9999",
      "x-ratelimit-reset-requests": "8.64s"
    })!
    expect(openAi!.windowMs).toBe(day)
  })

  it("reads windows that are named: Cerebras, Mistral, Azure", () => {
    expect(
      read({
        "x-ratelimit-limit-requests-day": "1440000",
        "x-ratelimit-limit-tokens-minute": "1000000",
        "x-ratelimit-remaining-requests-day": "1439998",
        "x-ratelimit-remaining-tokens-minute": "999583",
        "x-ratelimit-reset-requests-day": "24482.894107818604",
        "x-ratelimit-reset-tokens-minute": "2.8941078186035156"
      })
    ).toMatchObject([
      { resource: "requests", windowMs: day, limit: 1_440_000 },
      { resource: "tokens", windowMs: minute, remaining: 999_583, resetMs: expect.closeTo(2894.1, 1) as number }
    ])
    expect(
      read({
        "x-ratelimit-limit-req-10-second": "60",
        "x-ratelimit-remaining-req-10-second": "48",
        "x-ratelimit-tokens-query-cost": "10"
      })
    ).toEqual([reported({ windowMs: 10_000, limit: 60, remaining: 48 })])
    expect(
      read({
        "ratelimitbysize-limit": "500000",
        "ratelimitbysize-remaining": "348385",
        "ratelimitbysize-reset": "23",
        "ratelimitbysize-query-cost": "32018"
      })
    ).toEqual([reported({ resource: "tokens", limit: 500_000, remaining: 348_385, resetMs: 23_000 })])
    expect(
      read({
        "x-ratelimit-limit-requests": "120",
        "x-ratelimit-remaining-requests": "119",
        "x-ratelimit-renewalperiod-requests": "60",
        "x-ratelimit-reset-requests": "500"
      })
    ).toEqual([reported({ limit: 120, remaining: 119, resetMs: 500 })])
  })

  it("reads Anthropic's four limits; resets are counted from the answer's own date", () => {
    const limits = rateLimitsOf(
      {
        date: "Sun, 02 Nov 2025 17:05:00 GMT",
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "39000",
        "anthropic-ratelimit-input-tokens-reset": "2025-11-02T17:05:10Z",
        "anthropic-ratelimit-output-tokens-limit": "16000",
        "anthropic-ratelimit-output-tokens-remaining": "16000",
        "anthropic-ratelimit-output-tokens-reset": "2025-11-02T17:04:00Z",
        "anthropic-ratelimit-requests-limit": "1000",
        "anthropic-ratelimit-requests-remaining": "999",
        "anthropic-ratelimit-tokens-limit": "56000",
        "anthropic-ratelimit-tokens-remaining": "55000"
      },
      nowMs
    )
    expect(limits).toEqual([
      reported({ resource: "input-tokens", limit: 40_000, remaining: 39_000, resetMs: 10_000 }),
      reported({ resource: "output-tokens", limit: 16_000, remaining: 16_000, resetMs: 0 }),
      reported({ limit: 1000, remaining: 999 }),
      reported({ resource: "tokens", limit: 56_000, remaining: 55_000 })
    ])
  })

  it("reads plain headers without claiming a window: Together, OpenRouter's epoch, the fifth draft's with one", () => {
    expect(read({ "x-ratelimit-limit": "2", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1" })).toEqual([
      reported({ windowMs: undefined, limit: 2, remaining: 0, resetMs: 1000 })
    ])
    expect(read({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": `${nowMs + 7000}` })).toMatchObject([
      { resetMs: 7000 }
    ])
    expect(read({ "x-ratelimit-remaining": "0", "x-ratelimit-reset": `${nowMs / 1000 + 7}` })).toMatchObject([
      { resetMs: 7000 }
    ])
    expect(read({ "ratelimit-limit": "100, 100;w=10", "ratelimit-remaining": "50", "ratelimit-reset": "5" })).toEqual([
      reported({ windowMs: 10_000, limit: 100, remaining: 50, resetMs: 5000 })
    ])
    expect(read({ "x-tokenlimit-limit": "9000", "x-tokenlimit-remaining": "8000" })).toEqual([
      reported({ resource: "tokens", windowMs: undefined, limit: 9000, remaining: 8000 })
    ])
  })

  it("reads the tenth draft's structured fields", () => {
    expect(
      read({ ratelimit: '"api";r=499;t=55', "ratelimit-policy": '"fixed window";q=1;w=1, "api";q=500;w=300' })
    ).toEqual([reported({ windowMs: 300_000, limit: 500, remaining: 499, resetMs: 55_000 })])
  })

  it("leaves out what is no figure: negative, huge, words, nothing", () => {
    for (const value of ["-1", "NaN", "Infinity", "1e999", "", "9".repeat(40), "0x10", "many", "١٢"]) {
      expect(read({ "x-ratelimit-limit-tokens": value, "x-ratelimit-remaining-tokens": value }), value).toBeUndefined()
    }
    expect(read({ "x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0" })).toEqual([
      reported({ remaining: 0 })
    ])
    for (const reset of ["-5s", "soon", "99999d", "2026", "1m30", "9".repeat(70)]) {
      const [limit] = read({ "x-ratelimit-limit-requests": "5", "x-ratelimit-reset-requests": reset })!
      expect(limit!.resetMs === undefined || limit!.resetMs < 31 * day, reset).toBe(true)
    }
    expect(read({ "content-type": "application/json", "retry-after": "5" })).toBeUndefined()
  })

  it("never throws and gives figures in their ranges, whatever a server sends", () => {
    const names = fc.oneof(
      fc.constantFrom("ratelimit", "ratelimit-policy", "ratelimit-limit", "x-ratelimit-limit", "date"),
      fc
        .tuple(
          fc.constantFrom("x-ratelimit-", "anthropic-ratelimit-", "ratelimitbysize-", "x-"),
          fc.constantFrom("limit", "remaining", "reset", "renewalperiod", "tokens", "requests"),
          fc.constantFrom("", "-requests", "-tokens", "-tokens-minute", "-req-0-second", "-limit", "-reset")
        )
        .map((parts) => parts.join("")),
      fc.string()
    )
    const values = fc.oneof(
      fc.string(),
      fc.double().map(String),
      fc.bigInt().map(String),
      fc.constantFrom("1h2m3s", '"a";r=1;t=2', "100;w=0", "2026-01-01T00:00:00Z", "5, 5", "1e5")
    )
    fc.assert(
      fc.property(fc.dictionary(names, values, { maxKeys: 40 }), fc.nat(), (headers, now) => {
        const limits = rateLimitsOf(headers, now) ?? []
        expect(limits.length).toBeLessThanOrEqual(24)
        for (const { limit, remaining, resetMs, windowMs } of limits) {
          if (limit !== undefined) expect(limit > 0 && limit <= 1e15).toBe(true)
          if (remaining !== undefined) expect(remaining >= 0 && remaining <= (limit ?? 1e15)).toBe(true)
          if (resetMs !== undefined) expect(resetMs >= 0 && resetMs <= 31 * day).toBe(true)
          if (windowMs !== undefined) expect(windowMs > 0 && windowMs <= 31 * day).toBe(true)
        }
      }),
      { numRuns: 2000 }
    )
  })

  const recorded = path.join(root, "../shared/fixtures/dev")
  it.skipIf(!existsSync(recorded))("reads every limit header of the recorded answers", () => {
    const seen = new Map<string, number>()
    for (const file of globSync(`${recorded}/*/*.json`)) {
      const { provider, response } = JSON.parse(readFileSync(file, "utf8")) as {
        provider: string
        response: { headers?: Record<string, string> | null }
      }
      const headers = Object.fromEntries(
        Object.entries(response.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value])
      )
      const limits = rateLimitsOf(headers, nowMs)
      const tells = Object.keys(headers).some(
        (name) =>
          /ratelimit.*(limit|remaining)/.test(name) && !/images|usage_based/.test(name) && headers[name] !== "-1"
      )
      expect(limits !== undefined, file).toBe(tells)
      for (const { resource, windowMs } of limits ?? []) {
        const key = `${provider} ${resource} ${windowMs}`
        seen.set(key, (seen.get(key) ?? 0) + 1)
      }
    }
    expect([...seen.keys()].toSorted()).toEqual([
      "anthropic input-tokens 60000",
      "anthropic output-tokens 60000",
      "anthropic requests 60000",
      "anthropic tokens 60000",
      "azure requests 60000",
      "azure tokens 60000",
      "cerebras requests 86400000",
      "cerebras tokens 60000",
      "groq requests 86400000",
      "groq tokens 60000",
      "mistral requests 10000",
      "mistral requests 60000",
      "mistral tokens 2592000000",
      "mistral tokens 60000",
      "openai requests 60000",
      "openai requests 86400000",
      "openai tokens 60000",
      "pydantic-gateway requests 60000",
      "pydantic-gateway tokens 60000",
      "together requests undefined",
      "xai requests 60000",
      "xai tokens 60000"
    ])
  })
})

describe("quotaFailureOf", () => {
  it("reads Google's violated quotas", () => {
    const payload = {
      error: {
        details: [
          {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            violations: [
              { quotaId: "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", quotaValue: "15" },
              { quotaId: "GenerateContentInputTokensPerModelPerMinute-FreeTier", quotaValue: "250000" },
              { quotaId: "GenerateRequestsPerDayPerProjectPerModel-FreeTier" }
            ]
          },
          { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "12s" }
        ]
      }
    }
    const limits = [
      reported({ limit: 15, remaining: 0 }),
      reported({ resource: "input-tokens", limit: 250_000, remaining: 0 }),
      reported({ windowMs: day, remaining: 0 })
    ]
    expect(quotaFailureOf(payload)).toEqual(limits)
    expect(quotaFailureOf([payload])).toEqual(limits)
  })

  it("never throws, whatever JSON a body is", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        quotaFailureOf(json)
        quotaFailureOf({ error: { details: [{ violations: json }, json] } })
        quotaFailureOf({ error: { details: [{ violations: [{ quotaId: json, quotaValue: json }] }] } })
      })
    )
    expect(quotaFailureOf(undefined)).toBeUndefined()
  })
})
