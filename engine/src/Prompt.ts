/**
 * What of a request becomes prompt tokens: its texts, and the framing that a model family puts around them.
 *
 * Pure and cheap; nothing is tokenised here. Tools and schemas are rendered as the model is shown them (`ToolText`), images
 * count by their provider's formula, and what can't be known from the request (an image behind a URL, a document) is
 * guessed or left out and said so in `complete`.
 */
import { fileTokens } from "./FileTokens.ts"
import { imageTokens } from "./ImageTokens.ts"
import type { Family, Model } from "./ModelCatalog.ts"
import { type Framing, framingOf, type OpenAiApi } from "./PromptFraming.ts"
import type { ContentPart, Message, Request } from "./Request.ts"
import { boundOfTexts } from "./TokenEstimate.ts"
import { jsonOf, typescriptOf } from "./ToolText.ts"

/** The countable parts of a prompt. */
export interface Prompt {
  /** Every text that the model reads. */
  readonly texts: ReadonlyArray<string>
  /** Those of `texts` from here on are tools and schemas. */
  readonly toolsFrom: number
  /** Tokens of framing and of images. */
  readonly overhead: number
  /** Tokens of parts that can only be guessed at; not in `overhead`. */
  readonly guessed: number
  /** True when there are only text messages, whose framing is documented; else counts are approximate. */
  readonly plain: boolean
  /** False when a part has tokens that can't be known from the request. */
  readonly complete: boolean
}

const nameTokens = 1

/** The most tokens that framing takes for a message, a part or a tool, in any family. */
const framingMax = { message: 10, part: 40, tools: 600, format: 160, thinking: 32 }

/** The API of OpenAI's that a request goes to where a provider has both: that of its own dialect, else chat. */
export const apiOf = (request: Request): OpenAiApi =>
  request.wire?.dialect === "openai-responses" ? "responses" : "chat"

/** What a model counts of a request; texts to embed have no framing. `model` is its id as the provider has it. */
export const promptOf = (
  request: Request,
  { family }: Pick<Model, "family">,
  model: string,
  api: OpenAiApi = apiOf(request)
): Prompt => {
  if (request.embed !== undefined) {
    const texts = request.embed.input
    return { texts, toolsFrom: texts.length, overhead: 0, guessed: 0, plain: true, complete: true }
  }
  const framing = framingOf(family, model, api)
  const reader = new Reader(framing, family, model)
  const { messages, responseFormat, toolChoice, tools } = request
  const lastUser = messages.findLastIndex(({ role }) => role === "user")
  messages.forEach((message, index) => reader.message(message, index > lastUser, api))
  const { texts } = reader
  const toolsFrom = texts.length
  let { overhead, plain } = reader
  const hasTools = tools !== undefined && tools.length > 0
  if (hasTools) {
    plain = false
    overhead += framing.tools(tools)
    if (typeof toolChoice === "object") overhead += framing.namedChoice
    texts.push(framing.renderTools(tools))
  }
  if (responseFormat?.type === "json-schema") {
    plain = false
    overhead += framing.format
    const { description, name } = responseFormat
    if (framing.callsAreMessages && name !== undefined) texts.push(name)
    if (framing.callsAreMessages && description !== undefined && description !== "") texts.push(`${description}\n`)
    texts.push(framing.renderSchema(responseFormat.schema))
  }
  if ((hasTools || responseFormat?.type === "json-schema") && messages[0]?.role === "system") {
    overhead -= framing.joinsSystem
  }
  const { reasoning } = request
  if (reasoning !== undefined && reasoning.effort !== "none") overhead += framing.thinking
  const hidden = request.wire?.needs.some((need) => !harmless.test(need)) === true
  return {
    texts,
    toolsFrom,
    overhead: overhead + framing.priming,
    guessed: reader.guessed,
    plain: plain && !hidden,
    complete: reader.complete && !hidden
  }
}

/** Needs of a body (`WireRequest.needs`) that add nothing to its prompt; any other may add tools, files or history. */
const harmless =
  /^(?:several choices|logit_bias|modalities|audio answers|background|truncation|max_tool_calls|tool_choice)/

/** At most so many tokens have the known parts of a request, whatever the model: no text has more than it has bytes. */
export const boundOf = (request: Request): number => {
  if (request.embed !== undefined) return boundOfTexts(request.embed.input)
  const texts: Array<string> = []
  let tokens = framingMax.message + framingMax.thinking
  for (const { content, name } of request.messages) {
    tokens += framingMax.message
    if (name !== undefined) texts.push(name)
    if (typeof content === "string") texts.push(content)
    else for (const part of content) tokens += framingMax.part + boundOfPart(part, texts)
  }
  if (request.tools !== undefined && request.tools.length > 0) {
    tokens += framingMax.tools + framingMax.part * request.tools.length
    tokens += Math.max(boundOfTexts([jsonOf(request.tools)]), boundOfTexts([typescriptOf(request.tools)]))
  }
  if (request.responseFormat?.type === "json-schema") {
    const { description, name, schema } = request.responseFormat
    tokens += framingMax.format
    texts.push(jsonOf(schema), name ?? "", description ?? "")
  }
  return tokens + boundOfTexts(texts)
}

/** The largest image of any formula: OpenAI's gpt-4o-mini with eight tiles. */
const imageMax = 2833 + 8 * 5667

/** Tokens of a part beside its texts, which are added to `texts`. */
const boundOfPart = (part: ContentPart, texts: Array<string>): number => {
  switch (part.type) {
    case "text":
    case "reasoning":
      texts.push(part.text)
      return 0
    case "tool-call":
      texts.push(part.name, part.name, part.arguments)
      return 0
    case "tool-result":
      if (typeof part.content === "string") {
        texts.push(part.content)
        return 0
      }
      return part.content.reduce((sum, inner) => sum + framingMax.part + boundOfPart(inner, texts), 0)
    case "image":
      return imageMax
    default:
      return 0
  }
}

class Reader {
  readonly texts: Array<string> = []
  overhead = 0
  guessed = 0
  plain = true
  complete = true
  private readonly framing: Framing
  private readonly family: Family
  private readonly model: string

  constructor(framing: Framing, family: Family, model: string) {
    this.framing = framing
    this.family = family
    this.model = model
  }

  /** `current`: it belongs to the turn that is going on. */
  message({ content, name, role }: Message, current: boolean, api: OpenAiApi): void {
    const { framing } = this
    if (name !== undefined) {
      this.overhead += nameTokens
      this.texts.push(name)
    }
    if (typeof content === "string") {
      if (content === "" && role === "system" && api === "responses") return
      this.overhead += framing.message + (role === "assistant" ? framing.answer : 0)
      this.texts.push(content)
      return
    }
    let calls = 0
    let spoken = content.length === 0
    for (const part of content) {
      if (part.type === "tool-call") calls++
      else if (part.type !== "tool-result" && part.type !== "reasoning") spoken = true
      this.part(part, current)
    }
    if (spoken || !framing.callsAreMessages) {
      this.overhead += framing.message + (role === "assistant" ? framing.answer : 0)
    }
    if (calls > 1) this.overhead += framing.parallelCalls
  }

  private part(part: ContentPart, current: boolean): void {
    const { framing } = this
    if (part.type === "text") {
      this.texts.push(part.text)
      return
    }
    this.plain = false
    switch (part.type) {
      case "reasoning":
        if (framing.readsReasoning) this.texts.push(part.text)
        else if (current) this.complete = false
        return
      case "tool-call":
        this.overhead += framing.toolCall
        this.texts.push(part.name, part.arguments)
        if (framing.callNames === 2) this.texts.push(part.name)
        return
      case "tool-result":
        if (typeof part.content === "string") this.texts.push(part.content)
        else for (const inner of part.content) this.part(inner, current)
        return
      case "image": {
        const tokens = imageTokens(part, this.family, this.model)
        if (tokens === undefined) this.complete = false
        else this.overhead += tokens
        return
      }
      case "file": {
        const found = fileTokens(part, this.family, this.model)
        if (found?.certain === true) this.overhead += found.tokens
        else {
          this.guessed += found?.tokens ?? 0
          this.complete = false
        }
        return
      }
    }
  }
}
