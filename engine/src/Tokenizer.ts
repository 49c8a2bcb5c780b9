/**
 * How many tokens a prompt has: estimated always, counted where it matters.
 *
 * At admission the stage notes an estimate for the rate limits and drops candidates whose context window is too small.
 * A prompt of n bytes has at most n tokens, so a request far from every limit is never tokenised and loads no encoding;
 * near a limit the count is exact for OpenAI's encodings, and for other models a careful estimate decides. At settlement
 * it learns each model's own ratio from reported usage. It never blocks the event loop on a long text and never fails a
 * request because it can't count.
 */
import { Context, Effect, Layer, type Scope } from "effect"
import { AnswerTokens } from "./AnswerTokens.ts"
import type { Call, Target } from "./Call.ts"
import { ContextWindowExceeded } from "./Errors.ts"
import { defectFields, logOf } from "./Log.ts"
import { type Family, lookup, type Model, type ModelRef } from "./ModelCatalog.ts"
import { boundOf, promptOf } from "./Prompt.ts"
import type { OpenAiApi } from "./PromptFraming.ts"
import type { Request } from "./Request.ts"
import type { Stage } from "./Stage.ts"
import { Calibration } from "./TokenCalibration.ts"
import { countInline, type CountTexts, type TokenCount } from "./TokenCount.ts"
import {
  addFeatures,
  boundOfTexts,
  estimateText,
  noFeatures,
  type TextFeatures,
  toolsFeature,
  toolTokensFeature
} from "./TokenEstimate.ts"
import { promptTokens } from "./Usage.ts"

export type { TokenCount } from "./TokenCount.ts"
export { estimateText } from "./TokenEstimate.ts"

/** What a target takes. Figures are tokens; an undefined window is not checked. */
export interface TargetLimits {
  readonly kind: string
  /** The API that the target is always asked by; left out, the request's own where the provider has it. */
  readonly api?: OpenAiApi | undefined
  /** Prompt and answer together. */
  readonly contextWindow: number | undefined
  readonly maxInputTokens?: number | undefined
  /** Answer of requests that name no length. */
  readonly maxTokens: number | undefined
}

export interface TokenizerOptions {
  readonly limits: (target: Target) => TargetLimits
  /** Where texts are counted; left out, on the event loop, slice by slice. */
  readonly count?: Effect.Effect<CountTexts, never, Scope.Scope> | undefined
}

/** Whose prompt is counted, and for which of OpenAI's APIs; left out, the request's own. */
export interface PromptRef extends ModelRef {
  readonly api?: OpenAiApi | undefined
}

/** A prompt by its shape and scripts, before anything learned is applied. */
export interface Measured {
  /** Tokens of the parts that are known. */
  readonly tokens: number
  /** What the texts consist of; the first figure is `tokens`. */
  readonly features: TextFeatures
  /** Tokens of parts that can only be guessed at (a document, audio), beside `tokens`. */
  readonly guessed: number
  /** No tokenizer counts more in the parts that are known. */
  readonly bound: number
  /** False when a part (an image behind a URL, a document) has tokens that can't be known. */
  readonly complete: boolean
}

export class Tokenizer extends Context.Service<
  Tokenizer,
  {
    readonly stage: Stage
    /** Tokens that a target takes, prompt and answer together where that is one limit; undefined where it is not known. */
    readonly windowOf: (target: Target) => number | undefined
    /**
     * Tokens of a prompt, exact for plain text to OpenAI and an estimate otherwise. Counting stops early, and extrapolates,
     * when it has passed `ceiling` tokens.
     */
    readonly countPrompt: (request: Request, target: PromptRef, ceiling?: number) => Effect.Effect<TokenCount>
    /** Tokens of a text without any framing. */
    readonly countText: (text: string, model: string) => Effect.Effect<TokenCount>
    /** An upper bound for every model, without tokenising. Parts of unknown size are not in it. */
    readonly bound: (request: Request) => number
    readonly measure: (request: Request, target: PromptRef) => Measured
    /** What was measured, corrected by what was learned of the model. */
    readonly correct: (target: ModelRef, measured: Measured) => number
    /** Learned estimate of a prompt: `correct` of `measure`. */
    readonly estimate: (request: Request, target: PromptRef) => number
    /** Takes in how many prompt tokens a provider reported for a prompt. */
    readonly learn: (target: ModelRef, measured: Measured, reported: number) => void
    /** Learned estimate of the text of an answer, for those that come without usage. */
    readonly estimateAnswer: (text: string, target: Target | undefined) => number
  }
>()("millrace/Tokenizer") {
  static readonly layer = (options: TokenizerOptions) =>
    Layer.effect(
      Tokenizer,
      Effect.map(options.count ?? Effect.succeed(countInline), (countTexts) => make(options, countTexts))
    )
}

/** Tokens of our estimate for each token of o200k_base, by what recorded calls reported. */
const scales: { readonly [family in Family]: number } = {
  openai: 1,
  "openai-reasoning": 1,
  claude: 1.15,
  gemini: 1,
  other: 1
}

/** An estimate this far below a limit, as a share of it, is not worth a count. */
const nearLimit = 0.7

/** Beyond this multiple of the window a count stops. */
const ceilingFactor = 2

const make = (options: TokenizerOptions, countTexts: CountTexts): Tokenizer["Service"] => {
  /** By the catalogue's entry of a model, so that models which it forgets are forgotten here too. */
  const calibrations = new WeakMap<Model, Calibration>()

  const calibrationOf = (target: ModelRef): Calibration => {
    const model = lookup(target)
    let calibration = calibrations.get(model)
    if (calibration === undefined) calibrations.set(model, (calibration = new Calibration()))
    return calibration
  }

  const measureWith = (request: Request, target: PromptRef, boundOf: typeof boundOfTexts | undefined): Measured => {
    const model = lookup(target)
    const prompt = promptOf(request, model, target.model, target.api)
    const features = noFeatures()
    prompt.texts.forEach((text, index) => {
      const before = features[0]!
      if (text !== "") addFeatures(text, features)
      if (index >= prompt.toolsFrom) {
        features[toolsFeature] = 1
        features[toolTokensFeature]! += features[0]! - before
      }
    })
    features[0] = features[0]! * scales[model.family] + prompt.overhead
    return {
      tokens: features[0],
      features,
      guessed: prompt.guessed,
      bound: boundOf === undefined ? Infinity : boundOf(prompt.texts) + 2 * prompt.overhead,
      complete: prompt.complete
    }
  }

  const measure = (request: Request, target: PromptRef): Measured => measureWith(request, target, boundOfTexts)

  const correct = (target: ModelRef, measured: Measured): number =>
    calibrationOf(target).correct(measured.features) + measured.guessed

  const learn = (target: ModelRef, measured: Measured, reported: number): void => {
    if (measured.complete) calibrationOf(target).learn(measured.features, reported)
  }

  const countText = (text: string, model: string): Effect.Effect<TokenCount> => {
    const { encoding } = lookup({ kind: "", model })
    return encoding === undefined
      ? Effect.succeed({ tokens: estimateText(text), exact: false })
      : orEstimate(countTexts([text], encoding), () => estimateText(text))
  }

  /** Without the parts that can only be guessed at. */
  const countKnown = (request: Request, target: PromptRef, ceiling?: number): Effect.Effect<TokenCount> => {
    const model = lookup(target)
    const estimated = () => calibrationOf(target).correct(measureWith(request, target, undefined).features)
    if (model.encoding === undefined) return Effect.sync(() => ({ tokens: estimated(), exact: false }))
    const prompt = promptOf(request, model, target.model, target.api)
    const exact = prompt.plain && target.kind === "openai"
    return orEstimate(
      Effect.map(countTexts(prompt.texts, model.encoding, ceiling), (count) => ({
        tokens: count.tokens + prompt.overhead,
        exact: exact && count.exact
      })),
      estimated
    )
  }

  const countPrompt = (request: Request, target: PromptRef, ceiling?: number): Effect.Effect<TokenCount> =>
    Effect.map(countKnown(request, target, ceiling), (count) => {
      const { guessed } = promptOf(request, lookup(target), target.model, target.api)
      return guessed === 0 ? count : { ...count, tokens: count.tokens + guessed }
    })

  const answers = new AnswerTokens()

  const estimateAnswer = (text: string, target: Target | undefined): number =>
    answers.estimate(
      text,
      target === undefined ? undefined : lookup({ kind: options.limits(target).kind, model: target.model })
    )

  const stage: Stage = (next) => (call) => {
    const { journal, request } = call
    const { candidates } = journal
    const first = candidates[0]
    if (first === undefined) return next(call)
    const limits = options.limits(first)
    const ref = refOf(first, limits)
    const measured = measure(request, ref)
    journal.promptTokens = correct(ref, measured)
    call.settlement.add((outcome) => {
      if (outcome._tag !== "Success" || outcome.completion.usage.estimated) return
      const reported = promptTokens(outcome.completion.usage)
      const target = journal.target ?? first
      const same = target.provider === first.provider && target.model === first.model
      const answered = same ? ref : refOf(target, options.limits(target))
      // Several choices are reported as one.
      if ((request.wire?.needs.length ?? 0) === 0) answers.learn(outcome.completion, lookup(answered))
      if (same) return learn(ref, measured, reported)
      learn(answered, measureWith(request, answered, undefined), reported)
    })
    let fits = measured.bound <= roomOf(request, limits)
    if (fits && candidates.length > 1) {
      const bound = Math.max(measured.bound, boundOf(request))
      fits = candidates.every((target) => bound <= roomOf(request, options.limits(target)))
    }
    return fits ? next(call) : Effect.flatMap(admit(call), () => next(call))
  }

  /** Keeps the candidates that the prompt fits; fails when it fits none. */
  const admit = Effect.fnUntraced(function* (call: Call) {
    const { journal } = call
    const request = longestOf(call.request)
    const bound = boundOf(request)
    const roomMax = Math.max(0, ...journal.candidates.map((target) => roomOf(request, options.limits(target))))
    const counts = new Map<string, TokenCount>()
    const kept: Array<Target> = []
    let keptTokens: number | undefined
    let guessed = 0
    let refusal: { readonly room: number; readonly error: ContextWindowExceeded } | undefined
    for (const target of journal.candidates) {
      const limits = options.limits(target)
      const room = roomOf(request, limits)
      const ref = refOf(target, limits)
      const { encoding, family } = lookup(ref)
      // What can only be guessed at refuses nothing.
      const seen = measureWith(request, ref, undefined)
      let tokens = calibrationOf(ref).correct(seen.features)
      let least = calibrationOf(ref).floor(tokens)
      if (bound > room && room > 0 && tokens > room * nearLimit && encoding !== undefined) {
        const key = `${encoding} ${family} ${limits.api}`
        const count = counts.get(key) ?? (yield* countKnown(request, ref, ceilingFactor * roomMax))
        counts.set(key, count)
        if (count.estimated !== true) tokens = least = count.tokens
      }
      if (bound <= room || least <= room) {
        if (keptTokens === undefined) {
          keptTokens = tokens
          guessed = seen.guessed
        }
        kept.push(target)
      } else if (refusal === undefined || room > refusal.room) {
        refusal = { room, error: exceeded(request, target, limits, tokens) }
      }
    }
    if (kept.length === 0 && refusal !== undefined) return yield* refusal.error
    if (kept.length < journal.candidates.length) journal.candidates = kept
    if (request === call.request && keptTokens !== undefined) journal.promptTokens = keptTokens + guessed
    return undefined
  })

  return Tokenizer.of({
    stage,
    windowOf: (target) => {
      const { contextWindow, maxInputTokens } = options.limits(target)
      return contextWindow ?? maxInputTokens
    },
    countPrompt,
    countText,
    bound: boundOf,
    measure,
    correct,
    estimate: (request, target) => correct(target, measure(request, target)),
    learn,
    estimateAnswer
  })
}

const refOf = ({ model }: Target, { api, kind }: TargetLimits): PromptRef => ({ kind, model, api })

/** The part of a request that must fit a window: each text to embed has one of its own, so the longest decides. */
const longestOf = (request: Request): Request => {
  if (request.embed === undefined || request.embed.input.length < 2) return request
  const longest = request.embed.input.reduce((a, b) => (b.length > a.length ? b : a))
  return { ...request, embed: { ...request.embed, input: [longest] } }
}

/** Tokens that are kept free for the answer; an embedding has none. */
const requestedTokens = (request: Request, limits: TargetLimits): number =>
  request.embed === undefined ? (request.maxTokens ?? limits.maxTokens ?? 0) : 0

/** Tokens that the prompt may have; infinite where no limit is known. */
const roomOf = (request: Request, limits: TargetLimits): number =>
  Math.min(
    limits.contextWindow === undefined ? Infinity : limits.contextWindow - requestedTokens(request, limits),
    limits.maxInputTokens ?? Infinity
  )

/** The limit that the prompt breaks: the window of prompt and answer, else that of prompts alone. */
const exceeded = (
  request: Request,
  { model, provider }: Target,
  limits: TargetLimits,
  countedTokens: number
): ContextWindowExceeded => {
  const requested = requestedTokens(request, limits)
  const { contextWindow, maxInputTokens } = limits
  const byWindow = contextWindow !== undefined && countedTokens > contextWindow - requested
  return new ContextWindowExceeded({
    provider,
    model,
    countedTokens,
    requestedTokens: byWindow ? requested : 0,
    allowedTokens: byWindow ? contextWindow : maxInputTokens!
  })
}

const log = logOf("Tokenizer")

/** An encoding that can't be imported is no reason to fail a request. */
const orEstimate = (count: Effect.Effect<TokenCount>, estimate: () => number): Effect.Effect<TokenCount> =>
  Effect.catchDefect(count, (defect) =>
    Effect.as(log.warn("tokens are estimated, because they can't be counted", defectFields(defect)), {
      tokens: estimate(),
      exact: false,
      estimated: true as const
    })
  )
