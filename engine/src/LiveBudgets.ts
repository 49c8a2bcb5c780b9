/**
 * Budgets as the configuration asks for them: what they count, where they are kept, and what tells a call's price.
 */
import { Effect, Layer } from "effect"
import { Budget } from "./Budget.ts"
import type { TargetBounds } from "./BudgetBound.ts"
import type { Target } from "./Call.ts"
import type { EngineConfig } from "./Config.ts"
import * as ModelCatalog from "./ModelCatalog.ts"
import { promptOf } from "./Prompt.ts"
import type { Request } from "./Request.ts"
import { Shared } from "./LiveShared.ts"
import * as BudgetMemory from "./stores/BudgetMemory.ts"
import * as BudgetRedis from "./stores/BudgetRedis.ts"
import * as BudgetSql from "./stores/BudgetSql.ts"
import type { Database } from "./stores/Database.ts"
import { parse } from "./stores/DatabaseLocation.ts"
import { boundOfTexts } from "./TokenEstimate.ts"
import type { Cost, Usage } from "./Usage.ts"

export interface LiveBudgetOptions {
  /** The configuration in force. */
  readonly config: () => EngineConfig
  readonly refOf: (target: Target) => ModelCatalog.ModelRef
}

/** No tokenizer counts more in the parts of a prompt that are known; nothing is estimated, which would take longer. */
export const promptBound = (request: Request, ref: ModelCatalog.ModelRef) => {
  const { complete, overhead, texts } = promptOf(request, ModelCatalog.lookup(ref), ref.model)
  return { bound: boundOfTexts(texts) + 2 * overhead, complete }
}

export const budgetLayer = (
  options: LiveBudgetOptions,
  database: Layer.Layer<Database> | undefined
): Layer.Layer<Budget, never, Shared> => {
  const { config, refOf } = options
  const providerOf = (name: string) => config().providers.find((provider) => provider.name === name)
  const bounds = (target: Target): TargetBounds => {
    const provider = providerOf(target.provider)
    const { contextWindow, maxInputTokens, maxOutputTokens } = ModelCatalog.lookup(refOf(target))
    return {
      contextWindow: provider?.contextWindow ?? contextWindow ?? maxInputTokens,
      maxTokens: provider?.maxTokens ?? maxOutputTokens
    }
  }
  const shared = {
    budgets: () => config().budgets,
    price: (target: Target, usage: Usage, atMs: number): Cost => ModelCatalog.price(usage, refOf(target), atMs),
    bounds,
    promptBound: (request: Request, target: Target) => promptBound(request, refOf(target)),
    isFree: (name: string) => {
      const provider = providerOf(name)
      return provider?.kind === "simulated" && provider.pricing === undefined
    }
  }
  const inDatabase =
    database === undefined
      ? Budget.layer({ ...shared, store: BudgetMemory.make })
      : Budget.layer({ ...shared, store: BudgetSql.make() }).pipe(Layer.provide(database))
  // A file or a memory is one instance's; what instances have in common is Postgres, else Redis.
  if (parse(config().storage.database)?.kind === "postgres") return inDatabase
  return Layer.unwrap(
    Effect.map(Shared, ({ link }) =>
      link === undefined ? inDatabase : Budget.layer({ ...shared, store: BudgetRedis.make(link) })
    )
  )
}
