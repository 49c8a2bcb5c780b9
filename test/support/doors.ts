/**
 * A gateway over a scripted upstream of each kind, for the tests of its dialects. Nothing is cached or tried again.
 */
import { startGateway, type TestGateway } from "./gateway.ts"
import { startUpstream, type TestUpstream, type UpstreamRequest } from "./upstream.ts"

export interface Doors {
  readonly gateway: TestGateway
  readonly openai: TestUpstream
  /** An OpenAI-compatible server, which is asked through Chat Completions alone. */
  readonly compatible: TestUpstream
  readonly anthropic: TestUpstream
  readonly google: TestUpstream
  readonly close: () => Promise<void>
}

/** Every provider has one model, `m`; `both` is Anthropic's, then OpenAI's. */
export const openDoors = async (): Promise<Doors> => {
  const [openai, compatible, anthropic, google] = await Promise.all([
    startUpstream(),
    startUpstream(),
    startUpstream(),
    startUpstream()
  ])
  const shared = { apiKey: "canary-key", model: "m", models: ["m"] }
  const gateway = await startGateway({
    providers: [
      { ...shared, name: "openai", baseUrl: `${openai.url}/v1` },
      { ...shared, name: "compatible", kind: "openai-compatible", baseUrl: `${compatible.url}/v1` },
      { ...shared, name: "anthropic", baseUrl: anthropic.url },
      { ...shared, name: "google", baseUrl: google.url },
      { name: "simulated", kind: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }
    ],
    aliases: { both: ["anthropic/m", "openai/m"] },
    retry: { maxAttempts: 1, maxDelay: 1000 },
    breaker: { minimumCalls: 1_000_000 },
    cache: { enabled: false }
  })
  return {
    gateway,
    openai,
    compatible,
    anthropic,
    google,
    close: async () => {
      await gateway.close()
      await Promise.all([openai, compatible, anthropic, google].map((upstream) => upstream.close()))
    }
  }
}

/** What an upstream was asked last. */
export const last = ({ requests }: TestUpstream): UpstreamRequest => requests[requests.length - 1]!
