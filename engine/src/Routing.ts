/**
 * Which providers and models may answer a request, in which order.
 *
 * `provider/model` is explicit and has one candidate; an alias has its list; a bare model goes to the providers that list
 * it, else to the first that lists none; no model at all goes to every provider's default model, for embeddings to that of
 * the first provider that has one. The strategy orders what
 * has more than one candidate. Pure decisions: no connection is opened and nothing is waited for.
 */
import { Context, Effect, Layer } from "effect"
import type { Call, Target } from "./Call.ts"
import { type EngineError, InvalidRequest, ModelNotFound, UnsupportedAbility } from "./Errors.ts"
import { isNarrowed } from "./Grant.ts"
import type { ProviderInfo } from "./Provider.ts"
import type { Request } from "./Request.ts"
import { type OrderOptions, orderBy, type Strategy } from "./RoutingStrategy.ts"
import type { Stage } from "./Stage.ts"

export interface RoutingOptions extends OrderOptions {
  readonly providers: ReadonlyArray<ProviderInfo>
  readonly aliases: { readonly [alias: string]: ReadonlyArray<string> }
  readonly strategy: Strategy
}

export class Routing extends Context.Service<
  Routing,
  {
    /** Notes the candidates in the configured order, which is what the cache knows a request by. */
    readonly stage: Stage
    /** Puts the candidates in the order in which this call tries them; below the cache, so that hits count as no turn. */
    readonly order: Stage
    /** Candidates of a request in the configured order; fails when nobody serves its model. */
    readonly resolve: (
      request: Pick<Request, "model" | "provider"> & Partial<Pick<Request, "embed" | "key">>
    ) => ReadonlyArray<Target> | EngineError
    /** Names of the providers, in the configured order. */
    readonly providerNames: ReadonlyArray<string>
    /** Ids that can be asked for: aliases first, then `provider/model`. */
    readonly modelIds: ReadonlyArray<string>
  }
>()("millrace/Routing") {
  static readonly layer = (options: RoutingOptions) => Layer.sync(Routing, () => make(options))
}

const make = (options: RoutingOptions): Routing["Service"] => {
  const byName = new Map(options.providers.map((provider) => [provider.name, provider]))
  const aliases = new Map(Object.entries(options.aliases))
  const ordered = orderBy(options.strategy, options)

  const listed = (model: string): ReadonlyArray<Target> =>
    options.providers
      .filter((provider) => provider.models?.includes(model) === true)
      .map((provider) => ({ provider: provider.name, model }))

  const bare = (model: string): ReadonlyArray<Target> => {
    const targets = listed(model)
    if (targets.length > 0) return targets
    const open = options.providers.find((provider) => serves(provider, model))
    return open === undefined ? [] : [{ provider: open.name, model }]
  }

  const named = (id: string): ReadonlyArray<Target> => {
    const slash = id.indexOf("/")
    const provider = slash > 0 ? byName.get(id.slice(0, slash)) : undefined
    if (provider === undefined) return bare(id)
    const model = id.slice(slash + 1)
    const served = model !== "" && (provider.models === undefined || provider.models.includes(model))
    // Who is named and does not serve it is not stood in for, unless another lists the whole id as its own.
    return served ? [{ provider: provider.name, model }] : listed(id)
  }

  const withProvider = (name: string, model: string | undefined): ReadonlyArray<Target> | EngineError => {
    const provider = byName.get(name)
    if (provider === undefined) {
      return new InvalidRequest({ field: "provider", detail: `no provider is named ${quote(name)}; ${known(byName)}` })
    }
    if (model === undefined) return [{ provider: name, model: provider.model }]
    const id = model.startsWith(`${name}/`) ? model.slice(name.length + 1) : model
    if (provider.models !== undefined && !provider.models.includes(id)) {
      return new ModelNotFound({ model, detail: `${name} serves ${provider.models.join(", ")}` })
    }
    return [{ provider: name, model: id }]
  }

  const cache = new Map<string, ReadonlyArray<Target>>()
  const everybody = options.providers.map(({ model, name }) => ({ provider: name, model }))

  /** Vectors of different models can't stand in for each other, so there is one candidate. */
  const embedder = (name: string | undefined): ReadonlyArray<Target> | EngineError => {
    const asked = options.providers.filter((provider) => name === undefined || provider.name === name)
    const provider = asked.find(hasEmbeddings)
    if (provider !== undefined) return [{ provider: provider.name, model: provider.embeddingModel }]
    return asked.some(({ embeddingModel }) => embeddingModel !== undefined)
      ? new InvalidRequest({ field: "model", detail: "expected a model, since none for embeddings is configured" })
      : new UnsupportedAbility({ provider: asked[0]!.name, ability: "embeddings" })
  }

  const resolve: Routing["Service"]["resolve"] = (request) => {
    const embeds = request.embed !== undefined && request.model === undefined
    if (embeds && (request.provider === undefined || byName.has(request.provider))) return embedder(request.provider)
    if (request.provider !== undefined) return withProvider(request.provider, request.model)
    if (request.model === undefined) return everybody
    const found = cache.get(request.model)
    if (found !== undefined) return found
    const alias = aliases.get(request.model)
    const targets = alias === undefined ? named(request.model) : withoutRepeats(alias.flatMap(named))
    if (targets.length === 0) {
      // What a key that is kept to some models may not use is not told to it.
      const detail =
        request.key !== undefined && isNarrowed(request.key) ? undefined : `ask for one of ${ids(modelIds)}`
      return new ModelNotFound({ model: request.model, detail })
    }
    if (cache.size < cachedMax) cache.set(request.model, targets)
    return targets
  }

  const modelIds = [
    ...aliases.keys(),
    ...options.providers.flatMap(({ model, models, name }) =>
      [...new Set(models ?? [model])].map((id) => `${name}/${id}`)
    )
  ]

  const stage: Stage = (next) => (call: Call) =>
    Effect.suspend(() => {
      const targets = resolve(call.request)
      if (!Array.isArray(targets)) return Effect.fail(targets as EngineError)
      call.journal.candidates = targets
      return next(call)
    })

  const order: Stage = (next) => (call: Call) => {
    const { journal } = call
    if (journal.candidates.length > 1) journal.candidates = ordered(journal.candidates, call)
    return next(call)
  }

  return Routing.of({ stage, order, resolve, providerNames: [...byName.keys()], modelIds })
}

const hasEmbeddings = (provider: ProviderInfo): provider is ProviderInfo & { readonly embeddingModel: string } =>
  provider.embeddingModel !== undefined &&
  (provider.models === undefined || provider.models.includes(provider.embeddingModel))

const withoutRepeats = (targets: ReadonlyArray<Target>): ReadonlyArray<Target> => [
  ...new Map(targets.map((target) => [`${target.provider}/${target.model}`, target])).values()
]

/** Resolutions that are remembered; bounded because callers choose the names. */
const cachedMax = 1000

/** Model ids with a slash belong to servers that host other people's models. */
const serves = (provider: ProviderInfo, model: string): boolean =>
  provider.models === undefined && (!model.includes("/") || provider.kind === "openai-compatible")

const quote = (name: string): string => JSON.stringify(name)

const known = (providers: ReadonlyMap<string, unknown>): string => `known are ${[...providers.keys()].join(", ")}`

const ids = (modelIds: ReadonlyArray<string>): string =>
  modelIds.length > 8 ? `${modelIds.slice(0, 8).join(", ")} or ${modelIds.length - 8} more` : modelIds.join(", ")
