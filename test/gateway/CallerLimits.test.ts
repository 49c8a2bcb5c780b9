/**
 * What a caller is told of its own limits: `x-ratelimit-*` on answers, and 429 with an honest `Retry-After` beyond them.
 */
import { afterAll, beforeAll, expect, it } from "vitest"
import { ask, user } from "../support/client.ts"
import { startGateway, type TestGateway } from "../support/gateway.ts"
import { startUpstream, type TestUpstream } from "../support/upstream.ts"

let upstream: TestUpstream
let gateway: TestGateway
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({
    providers: [{ name: "first", kind: "openai-compatible", baseUrl: upstream.url, model: "m" }],
    tenants: { acme: { rateLimits: { requestsPerMinute: 1, tokensPerMinute: 10_000 } } },
    cache: { enabled: false },
    queue: { maxWait: 0 }
  })
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})

const body = user("hello", { model: "m", max_tokens: 100 })

it("tells a tenant with limits what is left, refuses beyond them, and tells nobody else", async () => {
  const headers = { "x-millrace-tenant": "acme" }
  const first = await ask(gateway.url, body, { headers })
  expect(first.status).toBe(200)
  expect(first.headers.get("x-ratelimit-limit-requests")).toBe("1")
  expect(first.headers.get("x-ratelimit-remaining-requests")).toBe("0")
  expect(first.headers.get("x-ratelimit-limit-tokens")).toBe("10000")
  expect(Number(first.headers.get("x-ratelimit-remaining-tokens"))).toBeLessThan(9900)
  expect(first.headers.get("x-ratelimit-reset-requests")).toMatch(/^\d+(\.\d+)?s$/)
  const second = await ask(gateway.url, body, { headers })
  expect(second.status).toBe(429)
  expect(second.headers.get("x-millrace-fault")).toBe("policy")
  expect(second.headers.get("x-ratelimit-remaining-requests")).toBe("0")
  expect(Number(second.headers.get("retry-after"))).toBeGreaterThan(50)
  const other = await ask(gateway.url, body)
  expect(other.status).toBe(200)
  expect(other.headers.get("x-ratelimit-limit-requests")).toBeNull()
})
