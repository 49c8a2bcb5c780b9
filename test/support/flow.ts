/**
 * Traffic through a whole engine in virtual time: who asks when, and what came of it.
 */
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Engine } from "../../engine/src/Engine.ts"
import type { EngineError } from "../../engine/src/Errors.ts"
import type { LearnMode } from "../../engine/src/Provider.ts"
import type { AIRequest } from "../../engine/src/Request.ts"
import { engineLayer, status } from "./engine.ts"
import type { EnforcingProvider } from "./EnforcingProvider.ts"

export interface Ask {
  readonly atMs: number
  readonly promptTokens: number
  readonly outputTokens: number
  /** The bound of the answer that the caller names; none unless told. */
  readonly maxTokens?: number
  readonly priority?: "interactive" | "batch"
}

export interface ConfiguredLimits {
  readonly requestsPerMinute?: number
  readonly tokensPerMinute?: number
  readonly concurrent?: number
  readonly learn?: LearnMode
}

export interface Flow {
  readonly answered: number
  /** Failures by tag. */
  readonly failed: Map<string, number>
  /** Minutes in which somebody waited whenever it was looked, every ten seconds. */
  readonly saturated: ReadonlySet<number>
}

const words = "word ".repeat(20_000)

const requestOf = ({ maxTokens, outputTokens, priority, promptTokens }: Ask, index: number): AIRequest => ({
  prompt: words.slice(0, 5 * Math.max(1, promptTokens - 4)),
  metadata: { prompt: `${promptTokens}`, output: `${outputTokens}`, index: `${index}` },
  ...(maxTokens === undefined ? {} : { maxTokens }),
  ...(priority === undefined ? {} : { priority })
})

/** The engine over an enforcing provider, under the limits that its user believes in. */
export const flowLayer = ({ provider }: EnforcingProvider, limits: ConfiguredLimits, maxWait = 60_000) =>
  engineLayer({
    providers: [provider],
    config: {
      providers: [
        {
          name: provider.name,
          kind: "openai-compatible",
          baseUrl: "http://127.0.0.1:9",
          model: "m",
          rateLimits: limits
        }
      ],
      cache: { enabled: false },
      queue: { maxWait, maxWaiting: 100_000 }
    }
  })

/** Sends every ask at its time and waits until all of them have ended. */
export const run = (asks: Iterable<Ask>, hours: number) =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const failed = new Map<string, number>()
    const empty = new Set<number>()
    const seen = new Set<number>()
    let answered = 0
    let open = 0
    const done = (exit: Exit.Exit<unknown, EngineError>) =>
      Effect.sync(() => {
        open--
        if (Exit.isSuccess(exit)) answered++
        else {
          const reason = exit.cause.reasons.find((one) => one._tag === "Fail")
          const tag = reason === undefined ? "defect" : reason.error._tag
          failed.set(tag, (failed.get(tag) ?? 0) + 1)
        }
      })
    const producer = yield* Effect.forkChild(
      Effect.gen(function* () {
        let nowMs = 0
        let index = 0
        for (const ask of asks) {
          if (ask.atMs > nowMs) {
            yield* Effect.sleep(ask.atMs - nowMs)
            nowMs = ask.atMs
          }
          open++
          yield* Effect.forkDetach(Effect.onExit(engine.generateText(requestOf(ask, index++)), done).pipe(Effect.exit))
        }
      })
    )
    const watcher = yield* Effect.forkChild(
      Effect.gen(function* () {
        for (let look = 1; ; look++) {
          yield* Effect.sleep(10_000)
          const { queue } = yield* status
          const minute = Math.floor(look / 6)
          seen.add(minute)
          if (queue.waiting === 0) empty.add(minute)
        }
      })
    )
    yield* TestClock.adjust(hours * 3_600_000)
    yield* Fiber.interrupt(watcher)
    yield* Fiber.join(producer)
    for (let i = 0; i < 60 && open > 0; i++) yield* TestClock.adjust(10_000)
    const saturated = new Set([...seen].filter((minute) => !empty.has(minute)))
    return { answered, failed, saturated } satisfies Flow
  })

/** Prints a measured figure when `MILLRACE_FIGURES=1` asks for them. */
export const figure = (text: string): void => {
  if (process.env["MILLRACE_FIGURES"] === "1") console.log(text)
}

/** An even stream of alike requests. */
export function* steady(perMinute: number, minutes: number, ask: Omit<Ask, "atMs">): Generator<Ask> {
  for (let i = 0; i < perMinute * minutes; i++) yield { atMs: Math.floor((i * 60_000) / perMinute), ...ask }
}
