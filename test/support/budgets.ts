/**
 * Budgets over a store, with prices that can be worked out by hand, and attempts that take what a test says.
 */
import { Clock, Context, Effect, Layer, References, type Scope } from "effect"
import { openAttempt, send } from "../../engine/src/Attempt.ts"
import { Budget, type BudgetLayerOptions } from "../../engine/src/Budget.ts"
import type { BudgetOptions } from "../../engine/src/BudgetRule.ts"
import type { BudgetStore } from "../../engine/src/BudgetStore.ts"
import { makeCall, type Target } from "../../engine/src/Call.ts"
import type { EngineError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import type { AttemptCall } from "../../engine/src/Stage.ts"
import { completionOf } from "../../engine/src/testing.ts"
import type { Cost, Usage } from "../../engine/src/Usage.ts"
import { makeRequest } from "../engine/requests.ts"

/** A dollar for a thousand tokens of the prompt, and two for a thousand of the answer. */
export const usdOf = (usage: Pick<Usage, "cacheWriteInput" | "output" | "uncachedInput">): number =>
  (usage.uncachedInput + usage.cacheWriteInput + 2 * usage.output) / 1000

export const price = (_target: Target, usage: Usage): Cost => ({ _tag: "Priced", usd: usdOf(usage), table: "test" })

export const budgetOf = (fields: Partial<BudgetOptions> & Pick<BudgetOptions, "name">): BudgetOptions => ({
  scope: "global",
  period: "total",
  timeZone: "UTC",
  warnAt: [0.8, 1],
  reserve: "bound",
  unpriced: "refuse",
  onStoreFailure: "allow",
  ...fields
})

/** One instance with a store of its own owner. */
export const instance = <R>(
  store: Effect.Effect<BudgetStore, never, R>,
  budgets: ReadonlyArray<BudgetOptions>,
  options: Partial<BudgetLayerOptions<R>> = {}
): Effect.Effect<Budget["Service"], never, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.map(
    Layer.build(
      Budget.layer({
        budgets: () => budgets,
        store,
        price,
        bounds: () => ({ contextWindow: undefined, maxTokens: undefined }),
        promptBound: ({ messages }: Request) => ({ bound: (messages[0]!.content as string).length, complete: true }),
        isFree: () => false,
        ...options
      })
    ),
    (context) => Context.get(context, Budget)
  ).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

export interface Planned {
  /** Most tokens of prompt and answer. */
  readonly prompt: number
  readonly maxTokens: number
  /** What it takes. */
  readonly used: { readonly prompt: number; readonly output: number }
  readonly target?: Target
  readonly request?: Partial<Request>
  /** What the provider does once it is asked; answers at once unless told. */
  readonly work?: (call: AttemptCall) => Effect.Effect<Reply.Reply, EngineError, Scope.Scope>
}

export const defaultTarget: Target = { provider: "openai", model: "m" }

export const answerOf = ({ target = defaultTarget, used }: Planned): Reply.Completion =>
  completionOf(target.model, "x", { uncachedInput: used.prompt, output: used.output })

/** One attempt from its admission to its settlement; fails as the attempt does. */
export const attempt = (budget: Budget["Service"], planned: Planned): Effect.Effect<void, EngineError> =>
  Effect.scoped(
    Effect.flatMap(Clock.Clock, (clock) => {
      const { maxTokens, prompt, target = defaultTarget, used } = planned
      const messages = [{ role: "user", content: "x".repeat(prompt) }] as const
      const call = makeCall(makeRequest({ messages, maxTokens, ...planned.request }), clock)
      call.journal.promptTokens = used.prompt
      const completion = answerOf(planned)
      const work = planned.work ?? (() => Effect.succeed(Reply.whole(completion)))
      return Effect.andThen(
        openAttempt(call, target, budget.stage(send(work))),
        Effect.suspend(() => call.settlement.run({ _tag: "Success", completion }))
      )
    })
  )
