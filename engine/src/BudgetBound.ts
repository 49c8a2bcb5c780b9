/**
 * What an attempt may take of a budget: the most it can, or what calls of its model mostly do.
 *
 * The most is an upper bound of the prompt, no text having more tokens than bytes, and the limit of the answer; where a part
 * of the prompt can't be known from the request, all that the model takes. Its price is the dearest of all ways in which a
 * provider may book these tokens. Pure, but for what it learns of answers.
 */
import type { Target } from "./Call.ts"
import { picosOf } from "./Money.ts"
import { RateEstimate } from "./RateEstimate.ts"
import type { Request } from "./Request.ts"
import { askedTier } from "./ServiceTier.ts"
import { type Cost, type Usage, zero } from "./Usage.ts"

/** Price of a usage at a target, at a time in epoch milliseconds. */
export type PriceOf = (target: Target, usage: Usage, atMs: number) => Cost

/** What a target takes and writes. Figures are tokens; undefined is unknown. */
export interface TargetBounds {
  readonly contextWindow: number | undefined
  /** The longest answer: as configured for requests that name none, else by the catalogue. */
  readonly maxTokens: number | undefined
}

export interface BoundOptions {
  readonly price: PriceOf
  readonly bounds: (target: Target) => TargetBounds
  /** The most prompt tokens that the known parts of a request have, and whether all parts are known. */
  readonly promptBound: (request: Request, target: Target) => { readonly bound: number; readonly complete: boolean }
}

/** Tokens of prompt and answer. */
export interface Bound {
  readonly prompt: number
  readonly answer: number
}

/** The answer of a model of which nothing is known, in tokens: what the longest answers of today's models have. */
export const unknownAnswer = 131_072

/** A prompt with parts of unknown size at a model of unknown window, in tokens, beside what is known of it. */
export const unknownPrompt = 1_000_000

/** The share of answers that stay under what is expected. */
const quantile = 0.95

export class BudgetBound {
  private readonly options: BoundOptions
  private readonly answers = new RateEstimate(quantile)

  constructor(options: BoundOptions) {
    this.options = options
  }

  /** No attempt of the request takes more, as far as its provider keeps to the limit of the answer. */
  most(request: Request, target: Target): Bound {
    const { contextWindow, maxTokens } = this.options.bounds(target)
    const { bound, complete } = this.options.promptBound(request, target)
    const window = contextWindow ?? Number.POSITIVE_INFINITY
    const known = complete && !hasHiddenParts(request)
    const prompt = known ? Math.min(bound, window) : (contextWindow ?? bound + unknownPrompt)
    if (request.embed !== undefined) return { prompt: bound, answer: 0 }
    const stated = largest(request.maxTokens, ...statedLimits(request))
    const each = stated ?? (maxTokens ?? Math.min(window, unknownAnswer)) + (request.reasoning?.maxTokens ?? 0)
    return { prompt, answer: each * choicesOf(request) }
  }

  /** What nineteen of twenty attempts stay under, by the last answers of the model. */
  expected(request: Request, target: Target, promptTokens: number | undefined): Bound {
    const most = this.most(request, target)
    return {
      prompt: Math.min(most.prompt, Math.ceil(promptTokens ?? most.prompt)),
      answer: Math.min(most.answer, this.answers.completionTokens(target.model) * choicesOf(request))
    }
  }

  learn(target: Target, usage: Usage): void {
    if (!usage.estimated) this.answers.learn(target.model, usage.output)
  }

  /** Picodollars of the dearest way to book so many tokens; a text is the reason why there is no price. */
  picos({ answer, prompt }: Bound, request: Request, target: Target, atMs: number): bigint | string {
    const { price } = this.options
    const written = { ...zero, cacheWriteInput: prompt, output: answer }
    const usages: ReadonlyArray<Usage> = [
      { ...zero, uncachedInput: prompt, output: answer },
      { ...zero, uncachedInput: prompt, output: answer, reasoning: answer },
      written,
      { ...written, detail: { cacheWrite1h: prompt } }
    ]
    const ordinary = dearestOf(usages, (usage) => price(target, usage, atMs))
    const tier = tierOf(request)
    if (tier === undefined || typeof ordinary === "string") return ordinary
    const asked = dearestOf(usages, (usage) =>
      price(target, { ...usage, detail: { ...usage.detail, serviceTier: tier } }, atMs)
    )
    return typeof asked === "string" || asked < ordinary ? ordinary : asked
  }
}

const dearestOf = (usages: ReadonlyArray<Usage>, price: (usage: Usage) => Cost): bigint | string => {
  let dearest = 0
  for (const usage of usages) {
    const cost = price(usage)
    if (cost._tag === "Unpriced") return cost.reason
    dearest = Math.max(dearest, cost.usd)
  }
  return picosOf(dearest)
}

/** The service tier that a request asks for, whatever its provider makes of it. */
const tierOf = (request: Request): string | undefined =>
  request.wire === undefined && request.providerOptions === undefined
    ? undefined
    : askedTier(request, request.wire?.dialect)

const largest = (...limits: ReadonlyArray<number | undefined>): number | undefined => {
  const known = limits.filter((limit) => limit !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

/** Limits of the answer in what is passed through to the provider as it is. */
const statedLimits = ({ providerOptions }: Request): ReadonlyArray<number | undefined> =>
  providerOptions === undefined ? none : limitNames.map((name) => numberIn(providerOptions[name]))

const none: ReadonlyArray<undefined> = []

const limitNames = ["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens"]

/** Answers that are asked for at once, each with a limit of its own. */
const choicesOf = ({ providerOptions, wire }: Request): number => {
  if (wire === undefined && providerOptions === undefined) return 1
  const config = wire?.body["generationConfig"] as { readonly candidateCount?: unknown } | null | undefined
  return (
    largest(
      1,
      ...["n", "best_of", "candidateCount"].flatMap((name) => [
        numberIn(wire?.body[name]),
        numberIn(providerOptions?.[name])
      ]),
      numberIn(config?.candidateCount)
    ) ?? 1
  )
}

const numberIn = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) && value > 0 ? value : undefined

/** Whether the provider adds to the prompt what is not in the request: a conversation, a file or a tool of its own. */
const hasHiddenParts = ({ wire }: Request): boolean =>
  wire !== undefined &&
  (wire.needs.some((need) => !/^several (choices|candidates)/.test(need)) ||
    (wire.body["previous_response_id"] ?? wire.body["conversation"] ?? undefined) !== undefined)
