/**
 * From a configuration to providers: which protocol, address and limits each of them has.
 *
 * A provider that code has made answers in the place of the configured one of its name. Nothing here acts on a request.
 */
import { Effect, Layer } from "effect"
import type { EngineConfig, ProviderConfig } from "./Config.ts"
import { defaultEmbeddingModels } from "./ConfigRules.ts"
import { httpProvider } from "./HttpProvider.ts"
import * as ModelCatalog from "./ModelCatalog.ts"
import type { Provider, ProviderInfo } from "./Provider.ts"
import { Providers } from "./Providers.ts"
import { anthropicMessages } from "./protocols/AnthropicMessages.ts"
import { gemini } from "./protocols/Gemini.ts"
import { openAiChat } from "./protocols/OpenAiChat.ts"
import { openAiCompletions } from "./protocols/OpenAiCompletions.ts"
import { openAiResponses } from "./protocols/OpenAiResponses.ts"
import type { Protocol } from "./protocols/Protocol.ts"
import { simulatedProvider } from "./SimulatedProvider.ts"
import { Transport } from "./Transport.ts"

/** Providers made by code. */
type Made = ReadonlyArray<Provider> | undefined

const protocols: { readonly [K in ProviderConfig["kind"]]?: Protocol } = {
  openai: openAiChat,
  "openai-compatible": openAiChat,
  anthropic: anthropicMessages,
  google: gemini
}

const protocolOf = ({ api, kind }: ProviderConfig): Protocol | undefined =>
  api === "responses" ? openAiResponses : api === "completions" ? openAiCompletions : protocols[kind]

/** `auto` answers a caller of the Responses API with it, where it is known to be: at OpenAI. */
const ownProtocolsOf = ({ api, kind }: ProviderConfig): ReadonlyArray<Protocol> =>
  api === "auto" && kind === "openai" ? [openAiResponses] : []

/** What the pipeline may know of a provider: everything but its keys. */
export const infoOf = (config: ProviderConfig): ProviderInfo => ({
  name: config.name,
  kind: config.kind,
  model: config.model,
  models: config.models,
  maxTokens: config.maxTokens,
  contextWindow: config.contextWindow,
  timeoutMs: config.timeoutMs,
  idleTimeoutMs: config.idleTimeoutMs,
  rateLimits: config.rateLimits,
  pricing: config.pricing,
  dialect: protocolOf(config)?.dialect,
  ownDialects: ownProtocolsOf(config).map(({ dialect }) => dialect),
  embeddingModel: defaultEmbeddingModels[config.kind] ?? (config.kind === "anthropic" ? undefined : config.model)
})

/** The same with the embeddings of the provider that code has made under its name, where that says which. */
export const madeInfo = (config: ProviderConfig, made: Made): ProviderInfo => {
  const provider = made?.find(({ name }) => name === config.name)
  const info = infoOf(config)
  return provider !== undefined && "embeddingModel" in provider
    ? { ...info, embeddingModel: provider.embeddingModel }
    : info
}

/** Where a provider is called; undefined for the simulator. */
export const baseUrlOf = (config: ProviderConfig): string | undefined =>
  config.baseUrl ?? protocols[config.kind]?.defaultBaseUrl

export const providersLayer = (config: EngineConfig, made: Made): Layer.Layer<Providers> =>
  Layer.unwrap(
    Effect.gen(function* () {
      if (!config.simulated) yield* ModelCatalog.load
      const transport = yield* Transport
      const scripted = new Map(made?.map((provider) => [provider.name, provider]))
      return Providers.layer(
        config.providers.map((provider) => scripted.get(provider.name) ?? providerOf(provider, transport))
      )
    })
  ).pipe(Layer.provide(Transport.layer))

const providerOf = (config: ProviderConfig, transport: Transport["Service"]): Provider => {
  const info = infoOf(config)
  const protocol = protocolOf(config)
  if (protocol === undefined) return simulatedProvider(info, config.simulated)
  return httpProvider({
    info,
    protocol,
    ownProtocols: ownProtocolsOf(config),
    baseUrl: config.baseUrl ?? protocol.defaultBaseUrl,
    apiKeys: config.apiKeys,
    transport
  })
}
