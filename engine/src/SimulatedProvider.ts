/**
 * A deterministic LLM simulator: a provider without a network, for first runs, tests and demos.
 *
 * The same request always gets the same answer, clearly labelled; latency, token speed and failures follow the
 * configuration, on Effect's Clock. Tools are called when they are required or named in the prompt, and JSON formats get
 * a sample that fits the schema; embeddings are hashed words. It is no language model and does not pretend to be one.
 */
import { Cause, Effect, type Pull, type Scope, Stream } from "effect"
import { hash } from "node:crypto"
import { ProviderServerError } from "./Errors.ts"
import type { Provider, ProviderInfo } from "./Provider.ts"
import * as Reply from "./Reply.ts"
import { type EmbedInput, type Request, textOf } from "./Request.ts"
import { simulatedEmbedding } from "./SimulatedEmbedding.ts"
import { sampleJson } from "./SimulatedJson.ts"
import type { AttemptCall } from "./Stage.ts"
import * as Usage from "./Usage.ts"

export interface SimulatedOptions {
  /** Milliseconds to the first token. */
  readonly latencyMs: number
  /** Speed after the first token; 0 sends everything at once. */
  readonly tokensPerSecond: number
  /** Share of calls that fail with a server error, 0–1. */
  readonly failureRate: number
  /** Answers and failures depend on it and on the requests alone. */
  readonly seed: number
}

/** Tokens of an answer when the request names no bound. */
const answerTokensMin = 24
const answerTokensMax = 72

export const simulatedProvider = (info: ProviderInfo, options: SimulatedOptions): Provider => {
  let calls = 0
  return {
    ...info,
    open: (call) =>
      Effect.suspend((): Effect.Effect<Reply.Reply, ProviderServerError, Scope.Scope> => {
        const fails = fraction(`${options.seed}:failure:${calls++}`) < options.failureRate
        const answer = answerOf(call.request, call.target.model, options.seed)
        const delay = options.latencyMs > 0 ? Effect.sleep(options.latencyMs) : Effect.void
        if (fails) return Effect.andThen(delay, Effect.fail(failure(call)))
        if (!call.request.stream) {
          const generating = pauseMs(options, answer.usage.output)
          const whole = Effect.succeed(Reply.whole(answer))
          return generating > 0
            ? delay.pipe(Effect.andThen(Effect.sleep(generating)), Effect.andThen(whole))
            : Effect.andThen(delay, whole)
        }
        return Effect.as(delay, Reply.parts(paced(answer, options)))
      })
  }
}

const failure = (call: AttemptCall): ProviderServerError =>
  new ProviderServerError({ ...call.target, detail: "simulated failure", upstreamStatus: 500 })

const pauseMs = (options: SimulatedOptions, tokens: number): number =>
  options.tokensPerSecond > 0 ? (1000 * tokens) / options.tokensPerSecond : 0

/** The parts of an answer, a token at a time, at the configured speed. */
const paced = (answer: Reply.Completion, options: SimulatedOptions): Reply.Parts => {
  const pieces: Array<Reply.Part> = []
  for (const part of Reply.toParts(answer)) {
    if (part.type === "text") for (const text of tokensOf(part.text)) pieces.push({ type: "text", text })
    else pieces.push(part)
  }
  const stepMs = pauseMs(options, 1)
  if (stepMs === 0) return Stream.fromArray(pieces)
  let index = 0
  let owedMs = 0
  return Stream.fromPull(
    Effect.succeed(
      Effect.suspend((): Pull.Pull<readonly [Reply.Part, ...Array<Reply.Part>], never> => {
        if (index >= pieces.length) return Cause.done()
        const batch: [Reply.Part, ...Array<Reply.Part>] = [pieces[index++]!]
        while (index < pieces.length && batch[batch.length - 1]!.type !== "text") batch.push(pieces[index++]!)
        owedMs += stepMs
        const sleepMs = index > 2 ? Math.floor(owedMs) : 0
        owedMs -= sleepMs
        return sleepMs > 0 ? Effect.as(Effect.sleep(sleepMs), batch) : Effect.succeed(batch)
      })
    )
  )
}

const answerOf = (request: Request, model: string, seed: number): Reply.Completion => {
  if (request.embed !== undefined) return embeddingsOf(request.embed, model)
  const prompt = request.messages.map(textOf).join("\n")
  const id = hash("sha256", JSON.stringify([seed, model, prompt, request.temperature, request.seed]), "hex")
  const block = blockOf(request, id)
  const tokens = block.type === "tool-call" ? tokensOf(block.arguments) : tokensOf(block.text)
  const cut = block.type === "text" && request.maxTokens !== undefined && tokens.length > request.maxTokens
  const kept = cut ? tokens.slice(0, request.maxTokens) : tokens
  return {
    id: `sim_${id.slice(0, 24)}`,
    model,
    content: [block.type === "text" ? { type: "text", text: kept.join("") } : block],
    finishReason: cut ? "length" : block.type === "tool-call" ? "tool-calls" : "stop",
    rawFinishReason: cut ? "length" : block.type === "tool-call" ? "tool_calls" : "stop",
    usage: {
      uncachedInput: tokensOf(prompt).length + 3 * request.messages.length,
      cacheReadInput: 0,
      cacheWriteInput: 0,
      output: kept.length,
      reasoning: 0,
      estimated: false
    }
  }
}

const embeddingsOf = ({ dimensions, input }: EmbedInput, model: string): Reply.Completion => ({
  id: "",
  model,
  content: [],
  finishReason: "stop",
  rawFinishReason: undefined,
  usage: { ...Usage.zero, uncachedInput: input.reduce((sum, text) => sum + tokensOf(text).length, 0) },
  embeddings: input.map((text) => simulatedEmbedding(text, dimensions))
})

const blockOf = (request: Request, id: string): Extract<Reply.Block, { readonly type: "text" | "tool-call" }> => {
  const last = request.messages[request.messages.length - 1]!
  const tool = last.role === "tool" ? undefined : toolFor(request, textOf(last))
  if (tool !== undefined) {
    const args = sampleJson(tool.parameters ?? { type: "object" }, id)
    return { type: "tool-call", id: `call_${id.slice(0, 16)}`, name: tool.name, arguments: JSON.stringify(args) }
  }
  const format = request.responseFormat
  if (format?.type === "json-schema") return { type: "text", text: JSON.stringify(sampleJson(format.schema, id)) }
  if (format?.type === "json")
    return { type: "text", text: JSON.stringify({ simulated: true, echo: excerpt(textOf(last)) }) }
  return { type: "text", text: proseOf(excerpt(textOf(last)), id) }
}

const toolFor = (request: Request, prompt: string) => {
  const { toolChoice, tools } = request
  if (tools === undefined || tools.length === 0 || toolChoice === "none") return undefined
  if (typeof toolChoice === "object") return tools.find((tool) => tool.name === toolChoice.name)
  return toolChoice === "required" ? tools[0] : tools.find((tool) => prompt.includes(tool.name))
}

const excerpt = (text: string): string => {
  const line = text.trim().replaceAll(/\s+/g, " ")
  return line.length > 80 ? `${line.slice(0, 79).trimEnd()}…` : line
}

const words =
  "the mill turns as the water runs and every request finds its way through the race where a gate may hold it a wheel may spin it and a quiet pool may keep it for the next who asks the same".split(
    " "
  )

const proseOf = (echo: string, id: string): string => {
  const target = answerTokensMin + Math.floor(fraction(`${id}:length`) * (answerTokensMax - answerTokensMin))
  const start = Math.floor(fraction(`${id}:start`) * words.length)
  let text = `[simulated] You asked: "${echo}".`
  for (let i = 0; i < target; i++) {
    const word = words[(start + i) % words.length]!
    text += i % 12 === 0 ? ` ${word[0]!.toUpperCase()}${word.slice(1)}` : ` ${word}`
    if (i % 12 === 11 || i === target - 1) text += "."
  }
  return text
}

/** Words with the space before them: about one token each. */
const tokensOf = (text: string): ReadonlyArray<string> => text.match(/\s*\S+|\s+$/g) ?? []

/** A number in [0, 1) that depends on the text alone. */
const fraction = (text: string): number => Number.parseInt(hash("sha256", text, "hex").slice(0, 12), 16) / 2 ** 48
