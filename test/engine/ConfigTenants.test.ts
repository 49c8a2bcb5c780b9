import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { decode, type EngineConfigInput } from "../../engine/src/Config.ts"

const openai = { name: "openai", apiKey: "sk-0123456789", models: ["big", "small"] }

const decoded = (input: EngineConfigInput) => Effect.runSync(decode(input, { env: {} }))

const lines = (input: unknown) => Effect.runSync(Effect.flip(decode(input, { env: {} }))).message.split("\n")

describe("modelLimits", () => {
  it("are limits of single models, in the provider's window unless they have their own", () => {
    const { modelLimits } = decoded({
      providers: [
        {
          ...openai,
          rateLimits: { window: "10s" },
          modelLimits: { big: { requestsPerMinute: 5 }, small: { concurrent: 2, window: 1000 } }
        }
      ]
    }).providers[0]!
    expect(modelLimits["big"]).toMatchObject({ requestsPerMinute: 5, concurrent: undefined, windowMs: 10_000 })
    expect(modelLimits["small"]).toMatchObject({ concurrent: 2, windowMs: 1000 })
    expect(Object.getPrototypeOf(modelLimits)).toBeNull()
  })

  it("are for models that the provider serves", () => {
    expect(
      lines({ providers: [{ ...openai, modelLimits: { huge: { concurrent: 1 }, big: { concurrent: 0 } } }] })
    ).toEqual([
      "providers[0].modelLimits.big.concurrent: expected a positive integer, got 0",
      "providers[0].modelLimits.huge: is not a model of this provider; its models: big, small"
    ])
  })
})

describe("tenants", () => {
  it("have a weight and limits; those that are not listed have the defaults", () => {
    const { tenants } = decoded({
      tenants: { acme: { weight: 2.5, rateLimits: { tokensPerMinute: 1000 } }, plain: {} },
      tenantDefaults: { rateLimits: { requestsPerMinute: 10, concurrent: 3 } }
    })
    expect(tenants.listed["acme"]).toMatchObject({
      weight: 2.5,
      rateLimits: { tokensPerMinute: 1000, windowMs: 60_000 }
    })
    expect(tenants.listed["plain"]).toEqual({ weight: 1, rateLimits: undefined })
    expect(tenants.others).toMatchObject({ weight: 1, rateLimits: { requestsPerMinute: 10, concurrent: 3 } })
    expect(tenants.listed["constructor"]).toBeUndefined()
  })

  it("name what is wrong with them", () => {
    expect(lines({ tenants: { acme: { weight: 0, rateLimit: {} } }, tenantDefaults: { rateLimits: 1 } })).toEqual([
      'tenants.acme.rateLimit: unknown key, did you mean "rateLimits"?',
      "tenants.acme.weight: expected a number over 0, got 0",
      "tenantDefaults.rateLimits: expected an object of limits, got 1"
    ])
  })
})
