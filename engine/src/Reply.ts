/**
 * What comes back from a call: a whole completion, or parts that end with exactly one `finish`.
 *
 * `collect` and `toParts` are each other's inverse up to the size of the deltas (law 2), so every door can serve a
 * streamed and a whole answer from the same reply.
 */
import { Channel, Effect, type Pull, type Scope, Stream } from "effect"
import type { EngineError } from "./Errors.ts"
import * as Usage from "./Usage.ts"

/** The wire dialects that Millrace speaks, upstream or inbound. */
export type Dialect = "openai-chat" | "openai-responses" | "openai-completions" | "anthropic-messages" | "gemini"

export type FinishReason = "stop" | "length" | "tool-calls" | "content-filter" | "error" | "other"

/** What a passage of an answer rests on. */
export interface Citation {
  readonly url?: string
  readonly title?: string
  /** The passage of the source. */
  readonly quote?: string
  /** Where in the text of the answer (`textOf`) the passage begins that rests on it; UTF-16 code units. */
  readonly start?: number
  /** Where it ends, exclusive. */
  readonly end?: number
  /** The source where it has no URL: a file or a document. */
  readonly source?: string
  /** The provider's own form, for callers of the same dialect. */
  readonly raw?: { readonly dialect: Dialect; readonly value: { readonly [key: string]: unknown } }
}

/** A token and the natural logarithm of its probability; `bytes` is its UTF-8 where the provider states it. */
export interface Logprob {
  readonly token: string
  readonly logprob: number
  readonly bytes?: ReadonlyArray<number>
}

/** A token of the answer, with the most probable ones in its place. */
export interface TokenLogprob extends Logprob {
  readonly top: ReadonlyArray<Logprob>
}

/** One block of a finished answer, in the order the model produced them. */
export type Block =
  | {
      readonly type: "text"
      readonly text: string
      readonly citations?: ReadonlyArray<Citation>
      readonly logprobs?: ReadonlyArray<TokenLogprob>
    }
  | { readonly type: "refusal"; readonly text: string }
  | {
      readonly type: "reasoning"
      readonly text: string
      /** Signature of a reasoning block, to be given back unchanged on the next turn. */
      readonly signature?: string
      /** Encrypted reasoning that has no readable text. */
      readonly redacted?: string
    }
  | {
      readonly type: "tool-call"
      readonly id: string
      readonly name: string
      /** JSON text as the model wrote it. */
      readonly arguments: string
    }

/** A complete answer. */
export interface Completion {
  /** The provider's own id of the response; may be empty. */
  readonly id: string
  /** The model that answered, as the provider names it. */
  readonly model: string
  readonly content: ReadonlyArray<Block>
  readonly finishReason: FinishReason
  /** The provider's own word for the finish reason. */
  readonly rawFinishReason: string | undefined
  readonly usage: Usage.Usage
  /** Vectors of an embeddings request, in the order of its input. */
  readonly embeddings?: ReadonlyArray<ReadonlyArray<number>> | undefined
  /** Kinds of what the provider's answer has and this one can't say (`protocols/LeftOut.ts`); absent when it has none. */
  readonly omitted?: ReadonlyArray<string> | undefined
  /** The provider's body as it came, kept while inbound and upstream dialect are the same. */
  readonly wire?: Wire | undefined
}

/** Bytes of an answer in the dialect they came in. */
export interface Wire {
  readonly dialect: Dialect
  readonly body: string
}

/**
 * One step of a streamed answer. `start` comes first, at most once; deltas follow; `finish` is last, exactly once.
 * `wire` parts are the provider's own events and come before the parts that were decoded from them; they are present
 * only when the request asked for that dialect, and carry nothing that the decoded parts lack but unknown fields.
 */
export type Part =
  | { readonly type: "start"; readonly id: string; readonly model: string }
  | { readonly type: "text"; readonly text: string }
  /** Belongs to the text before it; without any, to the text that comes. */
  | { readonly type: "citation"; readonly citation: Citation }
  /** Belongs to the text before it; without any, to the text that comes. */
  | { readonly type: "logprobs"; readonly logprobs: ReadonlyArray<TokenLogprob> }
  | { readonly type: "refusal"; readonly text: string }
  | {
      readonly type: "reasoning"
      readonly text: string
      readonly signature?: string
      readonly redacted?: string
    }
  | {
      /** A piece of the tool call number `index`; `id` and `name` come with its first piece. */
      readonly type: "tool-call"
      readonly index: number
      readonly id?: string
      readonly name?: string
      readonly arguments: string
    }
  | {
      readonly type: "wire"
      readonly dialect: Dialect
      readonly event: string | undefined
      readonly data: string
      /** It states the usage of an OpenAI stream and nothing else, for readers that asked for that. */
      readonly usageOnly?: boolean
    }
  | {
      readonly type: "finish"
      readonly finishReason: FinishReason
      readonly rawFinishReason: string | undefined
      readonly usage: Usage.Usage
      /** The id of the response where its end states another than its start did. */
      readonly id?: string
      /** As in `Completion`. */
      readonly omitted?: ReadonlyArray<string> | undefined
    }

export type Parts = Stream.Stream<Part, EngineError>

/** The reply of an open call. The scope of the call owns the connection behind `parts`. */
export type Reply =
  | { readonly _tag: "Whole"; readonly completion: Completion }
  | {
      readonly _tag: "Parts"
      readonly parts: Parts
      /** Whoever hands out these parts settles the call of their reader. */
      readonly settles?: boolean
    }

export const whole = (completion: Completion): Reply => ({ _tag: "Whole", completion })

export const parts = (parts: Parts): Reply => ({ _tag: "Parts", parts })

/** Concatenated text of an answer; refusals count as text only for readers that have no field for them. */
export const textOf = (completion: Completion): string => joined(completion, "text")

export const refusalOf = (completion: Completion): string => joined(completion, "refusal")

export const reasoningOf = (completion: Completion): string => joined(completion, "reasoning")

/** What the answer rests on, in the order it came. */
export const citationsOf = (completion: Completion): ReadonlyArray<Citation> =>
  completion.content.flatMap((block) => (block.type === "text" ? (block.citations ?? []) : []))

/** Log probabilities of the tokens of the text; empty where none were asked for. */
export const logprobsOf = (completion: Completion): ReadonlyArray<TokenLogprob> =>
  completion.content.flatMap((block) => (block.type === "text" ? (block.logprobs ?? []) : []))

export type ToolCall = Extract<Block, { readonly type: "tool-call" }>
type TextBlock = Extract<Block, { readonly type: "text" }>

export const toolCallsOf = (completion: Completion): ReadonlyArray<ToolCall> =>
  completion.content.filter((block): block is ToolCall => block.type === "tool-call")

/** Folds parts into a completion, one part at a time. Adjacent deltas of one kind become one block. */
export class Collector {
  private id = ""
  private model = ""
  private readonly blocks: Array<Mutable<Block>> = []
  private readonly tools = new Map<number, Mutable<ToolCall>>()
  private finished: Extract<Part, { readonly type: "finish" }> | undefined = undefined

  add(part: Part): void {
    switch (part.type) {
      case "text":
      case "refusal": {
        const last = this.blocks[this.blocks.length - 1]
        if (last !== undefined && last.type === part.type) last.text += part.text
        else if (part.text !== "") this.blocks.push({ type: part.type, text: part.text })
        return
      }
      case "citation": {
        const text = this.lastText()
        text.citations = [...(text.citations ?? []), part.citation]
        return
      }
      case "logprobs": {
        const text = this.lastText()
        const known = (text.logprobs ??= []) as Array<TokenLogprob>
        for (const token of part.logprobs) known.push(token)
        return
      }
      case "reasoning":
        return this.addReasoning(part)
      case "tool-call": {
        const call = this.tools.get(part.index)
        if (call !== undefined) {
          if (part.id !== undefined && call.id === "") call.id = part.id
          if (part.name !== undefined && call.name === "") call.name = part.name
          call.arguments += part.arguments
          return
        }
        const created: Mutable<ToolCall> = {
          type: "tool-call",
          id: part.id ?? "",
          name: part.name ?? "",
          arguments: part.arguments
        }
        this.tools.set(part.index, created)
        this.blocks.push(created)
        return
      }
      case "start":
        this.id = part.id
        this.model = part.model
        return
      case "finish":
        this.finished = part
        return
      case "wire":
        return
    }
  }

  private lastText(): Mutable<TextBlock> {
    const last = this.blocks.findLast((block) => block.type === "text")
    if (last !== undefined) return last
    const created: Mutable<TextBlock> = { type: "text", text: "" }
    this.blocks.push(created)
    return created
  }

  private addReasoning(part: Extract<Part, { readonly type: "reasoning" }>): void {
    const last = this.blocks[this.blocks.length - 1]
    const open = last !== undefined && last.type === "reasoning" && last.redacted === undefined
    if (open && part.redacted === undefined && last.signature === undefined) {
      last.text += part.text
      if (part.signature !== undefined) last.signature = part.signature
      return
    }
    if (part.text === "" && part.signature === undefined && part.redacted === undefined) return
    this.blocks.push({
      type: "reasoning",
      text: part.text,
      ...(part.signature === undefined ? {} : { signature: part.signature }),
      ...(part.redacted === undefined ? {} : { redacted: part.redacted })
    })
  }

  /** True when the terminal part has come. */
  get complete(): boolean {
    return this.finished !== undefined
  }

  /** Text that has come so far, for estimates of answers that broke off. */
  get text(): string {
    let text = ""
    for (const block of this.blocks) text += block.type === "tool-call" ? block.name + block.arguments : block.text
    return text
  }

  /** The answer so far; before `finish` its reason is `other` and its usage zero. */
  completion(): Completion {
    return {
      id: this.finished?.id ?? this.id,
      model: this.model,
      content: this.blocks.slice(),
      finishReason: this.finished?.finishReason ?? "other",
      rawFinishReason: this.finished?.rawFinishReason,
      usage: this.finished?.usage ?? Usage.zero,
      ...(this.finished?.omitted === undefined ? {} : { omitted: this.finished.omitted })
    }
  }
}

type Mutable<A> = A extends unknown ? { -readonly [K in keyof A]: A[K] } : never

/** The parts of a finished answer, each block as one delta. */
export const toParts = (completion: Completion): Array<Part> => {
  const out: Array<Part> = [{ type: "start", id: completion.id, model: completion.model }]
  let index = 0
  for (const block of completion.content) {
    if (block.type === "tool-call") {
      out.push({ type: "tool-call", index: index++, id: block.id, name: block.name, arguments: block.arguments })
    } else if (block.type === "text") {
      if (block.text !== "") out.push({ type: "text", text: block.text })
      if (block.logprobs !== undefined) out.push({ type: "logprobs", logprobs: block.logprobs })
      for (const citation of block.citations ?? []) out.push({ type: "citation", citation })
    } else out.push(block)
  }
  out.push({
    type: "finish",
    finishReason: completion.finishReason,
    rawFinishReason: completion.rawFinishReason,
    usage: completion.usage,
    ...(completion.omitted === undefined ? {} : { omitted: completion.omitted })
  })
  return out
}

/** Any reply as parts. */
export const stream = (reply: Reply): Parts =>
  reply._tag === "Parts" ? reply.parts : Stream.fromArray(toParts(reply.completion))

/**
 * Parts as they are pulled, in a scope of the caller's. `Stream.toPull` copies the context and takes a semaphore at every
 * pull; a reply has one reader, which needs neither.
 */
export const toPull = (
  parts: Parts,
  scope: Scope.Scope
): Effect.Effect<Pull.Pull<readonly [Part, ...Array<Part>], EngineError>> => Channel.toPullScoped(parts.channel, scope)

/** Any reply as a whole completion; reads a stream to its end. */
export const collect = (reply: Reply): Effect.Effect<Completion, EngineError> => {
  if (reply._tag === "Whole") return Effect.succeed(reply.completion)
  const collector = new Collector()
  return Effect.map(
    Stream.runForEachArray(reply.parts, (chunk) =>
      Effect.sync(() => {
        for (const part of chunk) collector.add(part)
      })
    ),
    () => collector.completion()
  )
}

const joined = (completion: Completion, type: "text" | "refusal" | "reasoning"): string => {
  let text = ""
  for (const block of completion.content) if (block.type === type) text += block.text
  return text
}
