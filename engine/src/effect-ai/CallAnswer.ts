/**
 * From an answer of the engine to the parts of Effect's `Response`.
 *
 * Signatures of reasoning travel in `metadata.millrace`, from where Effect gives them back on the next turn. The finish
 * part tells in the same place how the call was answered: provider, model, cache, attempts, cost. A refusal is text that
 * is marked as one.
 */
import type * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import { type BlockEvent, type BlockMetadata, BlockReader, sourceId } from "../BlockEvents.ts"
import { type Call, upstreamAttempts } from "../Call.ts"
import type { Citation, Completion, Part } from "../Reply.ts"
import { sourceOf } from "../SourceParts.ts"
import { completionTokens, promptTokens, type Usage } from "../Usage.ts"
import { toParams } from "./Schemas.ts"

type Options = Pick<LanguageModel.ProviderOptions, "tools">

export const toParts = (call: Call, completion: Completion, options: Options): Array<Response.PartEncoded> => {
  const parts: Array<Response.PartEncoded> = [metadataPart(completion)]
  let sources = 0
  for (const block of completion.content) {
    switch (block.type) {
      case "text":
        parts.push({ type: "text", text: block.text })
        for (const citation of block.citations ?? []) parts.push(sourcePart(citation, sourceId(sources++)))
        break
      case "refusal":
        parts.push({ type: "text", text: block.text, ...metadata({ refusal: true }) })
        break
      case "reasoning": {
        const { text, type: _, ...signed } = block
        parts.push({ type: "reasoning", text, ...metadata(signed) })
        break
      }
      case "tool-call":
        parts.push(toolCall(block, options))
    }
  }
  parts.push(finishPart(call, completion))
  return parts
}

/** Turns the parts of one stream into those of Effect's. */
export class StreamParts {
  private readonly call: Call
  private readonly options: Options
  private readonly reader = new BlockReader()

  constructor(call: Call, options: Options) {
    this.call = call
    this.options = options
  }

  read(parts: ReadonlyArray<Part>): ReadonlyArray<Response.StreamPartEncoded> {
    const out: Array<Response.StreamPartEncoded> = []
    const events: Array<BlockEvent> = []
    for (const part of parts) {
      if (part.type === "start") out.push(metadataPart(part))
      this.reader.push(part, events)
      for (const event of events) this.emit(event, out)
      events.length = 0
      if (part.type === "finish") out.push(finishPart(this.call, part))
    }
    return out
  }

  private emit(event: BlockEvent, out: Array<Response.StreamPartEncoded>): void {
    switch (event.type) {
      case "text-start":
      case "text-end":
      case "reasoning-start":
      case "reasoning-end":
        out.push({ type: event.type, id: event.id, ...metadata(event.metadata) })
        return
      case "source":
        out.push(sourcePart(event.citation, event.id))
        return
      case "tool-start":
        out.push({ type: "tool-params-start", id: event.id, name: event.name })
        return
      case "tool-delta":
        out.push({ type: "tool-params-delta", id: event.id, delta: event.delta })
        return
      case "tool-end":
        out.push({ type: "tool-params-end", id: event.id }, toolCall(event, this.options))
        return
      default:
        out.push(event)
    }
  }
}

const metadataPart = ({ id, model }: { readonly id: string; readonly model: string }) =>
  ({
    type: "response-metadata",
    ...(id === "" ? {} : { id }),
    ...(model === "" ? {} : { modelId: model })
  }) as const

const sourcePart = (citation: Citation, id: string) => {
  const [source, place] = sourceOf(citation, id)
  return Object.keys(place).length === 0 ? source : { ...source, metadata: { millrace: { ...place } } }
}

const toolCall = (
  call: { readonly id: string; readonly name: string; readonly arguments: string },
  options: Options
): Response.ToolCallPartEncoded => ({
  type: "tool-call",
  id: call.id,
  name: call.name,
  params: toParams(options.tools, call.name, call.arguments)
})

const metadata = (fields: BlockMetadata | undefined) =>
  fields === undefined || Object.keys(fields).length === 0 ? {} : { metadata: { millrace: { ...fields } } }

const finishPart = (
  call: Call,
  { finishReason, omitted, usage }: Pick<Completion, "finishReason" | "omitted" | "usage">
): Response.FinishPartEncoded => ({
  type: "finish",
  reason: finishReason,
  usage: {
    inputTokens: {
      uncached: usage.uncachedInput,
      total: promptTokens(usage),
      cacheRead: usage.cacheReadInput,
      cacheWrite: usage.cacheWriteInput
    },
    outputTokens: {
      total: completionTokens(usage),
      text: usage.output - usage.reasoning,
      reasoning: usage.reasoning
    }
  },
  metadata: { millrace: wayOf(call, usage, omitted) }
})

/** How a call was answered. */
const wayOf = ({ journal, request }: Call, usage: Usage, left: ReadonlyArray<string> = []) => ({
  requestId: request.id,
  provider: journal.target?.provider ?? null,
  model: journal.target?.model ?? null,
  cache: journal.cache,
  attempts: upstreamAttempts(journal),
  costUsd: journal.cost?._tag === "Priced" ? journal.cost.usd : null,
  usageEstimated: usage.estimated,
  omitted: [...journal.omitted, ...left]
})
