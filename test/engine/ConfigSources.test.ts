/**
 * Where values of a configuration came from: every value of the effective configuration is told, by whoever gave it, and no
 * value, and nothing of the environment but names, is told with it.
 */
import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { decodeGiven } from "../../engine/src/Config.ts"
import { interpolate } from "../../engine/src/ConfigEnvironment.ts"
import { redact } from "../../engine/src/ConfigRedact.ts"
import { sourcesOf } from "../../engine/src/ConfigSources.ts"

const told = async (
  written: object,
  env: Record<string, string> = {},
  changed: ReadonlyMap<string, number> = new Map()
) => {
  const { document, origins } = interpolate(written, env)
  const { config, given } = await Effect.runPromise(decodeGiven(document, { env, origins, door: "serve" }))
  const values = sourcesOf(redact(config), given, changed)
  return { values, at: (path: string) => values.find((value) => value.path === path) }
}

const provider = { name: "up", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9/v1", model: "m" }

describe("sourcesOf", () => {
  it("tells the file, the environment and defaults apart, by the name in the file", async () => {
    const { at } = await told(
      {
        providers: [
          { ...provider, apiKeys: ["key-in-the-file", "${SECOND_KEY}"], timeout: "5s", rateLimits: { concurrent: 3 } }
        ],
        tenants: { acme: { weight: 2 } },
        storage: { retention: 30, database: "postgres://me:secret@${DB_HOST}/usage" }
      },
      { SECOND_KEY: "canary-second-key", DB_HOST: "canary-host", MILLRACE_PORT: "4123" }
    )
    expect(at("providers[0].timeoutMs")).toMatchObject({ field: "providers[0].timeout", source: "file", detail: null })
    expect(at("providers[0].idleTimeoutMs")).toMatchObject({ source: "default", detail: null })
    expect(at("providers[0].rateLimits.concurrent")).toMatchObject({ source: "file" })
    expect(at("providers[0].apiKeys")).toMatchObject({ source: "environment", detail: "SECOND_KEY" })
    expect(at("tenants.listed.acme.weight")).toMatchObject({ field: "tenants.acme.weight", source: "file" })
    expect(at("tenants.others.weight")).toMatchObject({ field: "tenantDefaults.weight", source: "default" })
    expect(at("storage.retentionDays")).toMatchObject({ field: "storage.retention", source: "file" })
    expect(at("storage.database")).toMatchObject({ source: "environment", detail: "DB_HOST" })
    expect(at("server.port")).toMatchObject({ source: "environment", detail: "MILLRACE_PORT" })
    expect(at("server.host")).toMatchObject({ source: "default" })
  })

  it("tells providers that stand for keys of the environment, and that the simulator is a default", async () => {
    const fromKey = await told({}, { OPENAI_API_KEY: "canary-openai-key" })
    expect(fromKey.at("providers[0].name")).toMatchObject({ source: "environment", detail: "OPENAI_API_KEY" })
    expect(fromKey.at("providers[0].apiKeys")).toMatchObject({ source: "environment", detail: "OPENAI_API_KEY" })
    expect(fromKey.at("providers[0].timeoutMs")).toMatchObject({ source: "default" })
    const simulated = await told({})
    expect(new Set(simulated.values.map(({ source }) => source))).toEqual(new Set(["default"]))
  })

  it("names the last generation that brought a value, also where a part of it changed", async () => {
    const changed = new Map([
      ["providers[0].apiKeys[0]", 2],
      ["retry", 3],
      ["retry.maxAttempts", 4]
    ])
    const { at } = await told({ providers: [{ ...provider, apiKey: "k" }] }, {}, changed)
    expect(at("providers[0].apiKeys")?.generation).toBe(2)
    expect(at("retry.maxAttempts")?.generation).toBe(4)
    expect(at("retry.budget")?.generation).toBe(3)
    expect(at("retryOther")).toBeUndefined()
    expect(at("queue.maxWaiting")?.generation).toBe(1)
  })

  it("tells every value once and none of what the environment holds, whatever the environment is", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.subarray(["MILLRACE_HOST", "MILLRACE_PORT", "MILLRACE_ADMIN_TOKEN", "GEMINI_API_KEY", "OPENAI_API_KEY"]),
        async (names) => {
          const env = Object.fromEntries(
            names.map((name) => [
              name,
              name === "MILLRACE_PORT" ? "4999" : name === "MILLRACE_HOST" ? "10.9.8.7" : `canary-of-${name}`
            ])
          )
          const { values } = await told({}, env)
          expect(new Set(values.map(({ path }) => path)).size).toBe(values.length)
          expect(values.filter(({ source }) => source === "environment").length).toBeGreaterThanOrEqual(names.length)
          expect(JSON.stringify(values)).not.toMatch(/canary|10\.9\.8\.7|4999/)
        }
      ),
      { numRuns: 25 }
    )
  })
})
