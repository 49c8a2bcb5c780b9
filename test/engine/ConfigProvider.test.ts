import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { AIEngine, type EngineConfigInput, type ProviderInfo } from "millrace"
import { scriptedProvider } from "millrace/testing"
import { decode } from "../../engine/src/Config.ts"

const made = (name: string, options: Partial<ProviderInfo> = {}) =>
  scriptedProvider(name, () => `from ${name}`, { model: `${name}-1`, ...options })

const decoded = (input: EngineConfigInput | undefined, providers: ReadonlyArray<ProviderInfo>, env = {}) =>
  Effect.runSync(decode(input, { providers, env }))

const issuesOf = (input: EngineConfigInput, providers: ReadonlyArray<ProviderInfo>) =>
  Effect.runSync(Effect.flip(decode(input, { providers, env: {} }))).issues

describe("providers made by code", () => {
  it("are all there are when the configuration names none, whatever the environment has", () => {
    const config = decoded({ cache: { enabled: false } }, [made("a"), made("b")], {
      OPENAI_API_KEY: "sk-test-0123456789"
    })
    expect(config.providers.map(({ model, name }) => [name, model])).toEqual([
      ["a", "a-1"],
      ["b", "b-1"]
    ])
    expect(config.cache.enabled).toBe(false)
    expect(config.notes).toEqual([])
  })

  it("come after the configured ones, with the limits they bring", () => {
    const rateLimits = { requestsPerMinute: 7, tokensPerMinute: undefined, concurrent: 2, windowMs: 1000 }
    const config = decoded({ providers: [{ name: "simulated" }] }, [
      made("a", { kind: "openai", rateLimits, timeoutMs: 5, models: ["a-1", "a-2"] })
    ])
    expect(config.providers.map(({ name }) => name)).toEqual(["simulated", "a"])
    expect(config.providers[1]).toMatchObject({ kind: "openai", rateLimits, timeoutMs: 5, models: ["a-1", "a-2"] })
    expect(config.simulated).toBe(false)
  })

  it("keep the limits of the configuration where that names them", () => {
    const config = decoded({ providers: [{ name: "a", kind: "simulated", rateLimits: { concurrent: 3 } }] }, [
      made("a")
    ])
    expect(config.providers).toHaveLength(1)
    expect(config.providers[0]!.rateLimits.concurrent).toBe(3)
  })

  it("may be the targets of aliases, and only with models they serve", () => {
    const config = decoded({ aliases: { fast: ["a/a-1"] } }, [made("a", { models: ["a-1"] })])
    expect(config.aliases["fast"]).toEqual(["a/a-1"])
    expect(issuesOf({ aliases: { fast: ["a/a-2"] } }, [made("a", { models: ["a-1"] })])).toEqual([
      { path: "aliases.fast[0]", message: expect.stringContaining('"a" does not serve "a-2"') }
    ])
  })

  it("don't hide what is wrong in the configuration", () => {
    expect(issuesOf({ providers: [{ name: "openai", maxTokens: -1 }] }, [made("a")]).map(({ path }) => path)).toEqual([
      "providers[0].maxTokens",
      "providers[0].apiKey"
    ])
  })

  it("answer and fall back in the order in which they are given", async () => {
    await using engine = new AIEngine({}, { providers: [made("a"), made("b")] })
    expect((await engine.generateText({ prompt: "x" })).content).toBe("from a")
    expect((await engine.generateText({ prompt: "x", model: "b/b-1" })).content).toBe("from b")
    const { providers, simulated } = await engine.getStatus()
    expect(providers.map(({ name }) => name)).toEqual(["a", "b"])
    expect(simulated).toBe(true)
  })
})
