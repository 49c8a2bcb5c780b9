import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { makeCall, type Target } from "../../engine/src/Call.ts"
import type { EngineError } from "../../engine/src/Errors.ts"
import type { ProviderInfo } from "../../engine/src/Provider.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { Routing, type RoutingOptions } from "../../engine/src/Routing.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { makeRequest } from "./requests.ts"

const provider = (name: string, fields: Partial<ProviderInfo> = {}): ProviderInfo => ({
  ...scriptedProvider(name, () => "", { model: `${name}-default` }),
  ...fields
})

const providers: ReadonlyArray<ProviderInfo> = [
  provider("openai", { models: ["gpt-big", "gpt-small"], model: "gpt-big" }),
  provider("mirror", { models: ["gpt-small", "own"], model: "own" }),
  provider("open"),
  provider("server", { kind: "openai-compatible" })
]

const layer = (options: Partial<RoutingOptions> = {}) =>
  Routing.layer({
    providers,
    aliases: {
      fast: ["openai/gpt-small", "own", "open/anything"],
      one: ["gpt-small"],
      twice: ["openai/gpt-small", "gpt-small"]
    },
    strategy: "fallback",
    weight: () => 1,
    typicalUsd: () => 1,
    ...options
  })

const names = (targets: ReadonlyArray<Target> | EngineError): ReadonlyArray<string> | string =>
  Array.isArray(targets)
    ? (targets as ReadonlyArray<Target>).map((target) => `${target.provider}/${target.model}`)
    : (targets as EngineError)._tag

describe("Routing.resolve", () => {
  const cases: ReadonlyArray<
    readonly [name: string, request: { model?: string; provider?: string }, ReadonlyArray<string> | string]
  > = [
    [
      "no model: every provider's default, the first one first",
      {},
      ["openai/gpt-big", "mirror/own", "open/open-default", "server/server-default"]
    ],
    ["provider/model: explicit, one candidate", { model: "mirror/gpt-small" }, ["mirror/gpt-small"]],
    ["provider/model of a provider without a list: any model", { model: "open/x" }, ["open/x"]],
    ["an alias: its chain in its order", { model: "fast" }, ["openai/gpt-small", "mirror/own", "open/anything"]],
    ["an alias of a bare model: everybody who lists it", { model: "one" }, ["openai/gpt-small", "mirror/gpt-small"]],
    ["a bare model: all who list it", { model: "gpt-small" }, ["openai/gpt-small", "mirror/gpt-small"]],
    ["a bare model that nobody lists: the first that lists none", { model: "unknown" }, ["open/unknown"]],
    ["a model with a slash: a server that hosts other people's models", { model: "meta/llama" }, ["server/meta/llama"]],
    ["a model that its provider does not list, though another might", { model: "openai/gpt-huge" }, "ModelNotFound"],
    ["a provider alone: its default", { provider: "mirror" }, ["mirror/own"]],
    ["a provider and a model", { provider: "mirror", model: "gpt-small" }, ["mirror/gpt-small"]],
    ["a provider and a model that repeats it", { provider: "mirror", model: "mirror/gpt-small" }, ["mirror/gpt-small"]],
    ["a provider that does not list the model", { provider: "mirror", model: "gpt-big" }, "ModelNotFound"],
    ["a provider that does not exist", { provider: "nobody" }, "InvalidRequest"],
    ["a name of the prototype", { model: "constructor" }, ["open/constructor"]],
    ["a provider of the prototype", { provider: "__proto__" }, "InvalidRequest"],
    ["an empty model of a provider", { model: "openai/" }, "ModelNotFound"],
    ["an alias that names one twice: once", { model: "twice" }, ["openai/gpt-small", "mirror/gpt-small"]]
  ]
  for (const [name, request, expected] of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const routing = yield* Routing
        const asked = { model: request.model, provider: request.provider }
        expect(names(routing.resolve(asked))).toEqual(expected)
        expect(names(routing.resolve(asked))).toEqual(expected)
      }).pipe(Effect.provide(layer()))
    )
  }

  it.effect("says which model is unknown and which ones there are", () =>
    Effect.gen(function* () {
      const routing = yield* Routing
      const error = routing.resolve({ model: "nosuch", provider: undefined })
      expect(error).toMatchObject({ _tag: "ModelNotFound", status: 404, model: "nosuch" })
      expect((error as EngineError).message).toBe(
        'model "nosuch" is not known here: ask for one of fast, one, twice, openai/gpt-big, openai/gpt-small, mirror/gpt-small, mirror/own'
      )
    }).pipe(Effect.provide(layer({ providers: providers.slice(0, 2) })))
  )

  it.effect("lists aliases first, then what each provider serves", () =>
    Effect.gen(function* () {
      expect((yield* Routing).modelIds).toEqual([
        "fast",
        "one",
        "twice",
        "openai/gpt-big",
        "openai/gpt-small",
        "mirror/gpt-small",
        "mirror/own",
        "open/open-default",
        "server/server-default"
      ])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("remembers a bounded number of names that callers make up", () =>
    Effect.gen(function* () {
      const routing = yield* Routing
      for (let i = 0; i < 5000; i++) {
        expect(names(routing.resolve({ model: `made up ${i}`, provider: undefined }))).toEqual([`open/made up ${i}`])
      }
      expect(names(routing.resolve({ model: "fast", provider: undefined }))).toHaveLength(3)
    }).pipe(Effect.provide(layer()))
  )
})

describe("Routing's stages", () => {
  const reply = Effect.succeed(Reply.whole(completionOf("m", "x")))

  it.effect("note the candidates as configured, and put them in order below the cache", () =>
    Effect.gen(function* () {
      const routing = yield* Routing
      const seen: Array<ReadonlyArray<string> | string> = []
      const open = routing.stage((call) => {
        seen.push(names(call.journal.candidates))
        return routing.order((inner) => {
          seen.push(names(inner.journal.candidates))
          return reply
        })(call)
      })
      for (let i = 0; i < 2; i++) {
        yield* Effect.scoped(open(makeCall(makeRequest({ model: "one" }), yield* Clock.Clock)))
      }
      const configured = ["openai/gpt-small", "mirror/gpt-small"]
      expect(seen).toEqual([configured, configured, configured, configured.toReversed()])
    }).pipe(Effect.provide(layer({ strategy: "round-robin" })))
  )

  it.effect("fail before anything below runs when nobody serves the model", () =>
    Effect.gen(function* () {
      const open = (yield* Routing).stage(() => Effect.die("not reached"))
      const call = makeCall(makeRequest({ model: "nosuch" }), yield* Clock.Clock)
      expect(yield* Effect.flip(Effect.scoped(open(call)))).toMatchObject({ _tag: "ModelNotFound" })
      expect(call.journal.candidates).toEqual([])
    }).pipe(Effect.provide(layer({ providers: providers.slice(0, 1) })))
  )
})
