/**
 * What of a request becomes prompt tokens: its texts, and the framing that a model family puts around them.
 *
 * Pure and cheap; nothing is tokenised here. Tools are rendered as the published approach does it, images count by their
 * provider's formula, and what can't be known from the request (an image behind a URL, a document) is left out and said
 * so in `complete`.
 */
import { imageTokens } from "./ImageTokens.ts"
import type { Family, Model } from "./ModelCatalog.ts"
import type { ContentPart, Message, Request, Tool } from "./Request.ts"
import { boundText } from "./TokenEstimate.ts"

/** The countable parts of a prompt. */
export interface Prompt {
  /** Every text that the model reads. */
  readonly texts: ReadonlyArray<string>
  /** Tokens of framing and of images. */
  readonly overhead: number
  /** True when there are only text messages, whose framing is documented; else counts are approximate. */
  readonly plain: boolean
  /** False when a part has tokens that can't be known from the request. */
  readonly complete: boolean
}

interface Framing {
  /** Around each message, its role included. */
  readonly message: number
  /** Once, for the beginning of the answer. */
  readonly priming: number
  readonly toolCall: number
  /** Once, when there are tools. */
  readonly tools: number
  /** Tools as TypeScript or as their JSON. */
  readonly render: (tools: ReadonlyArray<Tool>) => string
}

/**
 * Framing by family. OpenAI's is documented (cookbook.openai.com, "How to count tokens with tiktoken": 3 a message and its
 * role, 3 for the answer, 1 for a name); its reasoning models prime with 2, and the other figures are what recorded calls
 * of each provider reported beyond their text.
 */
const framings: { readonly [family in Family]: Framing } = {
  openai: { message: 4, priming: 3, toolCall: 3, tools: 9, render: (tools) => typescriptOf(tools) },
  "openai-reasoning": { message: 4, priming: 2, toolCall: 3, tools: 90, render: (tools) => typescriptOf(tools) },
  claude: { message: 4, priming: 3, toolCall: 8, tools: 430, render: (tools) => jsonOf(tools) },
  gemini: { message: 0, priming: 0, toolCall: 4, tools: 0, render: (tools) => jsonOf(tools) },
  other: { message: 4, priming: 3, toolCall: 8, tools: 50, render: (tools) => jsonOf(tools) }
}

const nameTokens = 1

/** The most tokens that framing takes for a message, a part or a tool, in any family. */
const framingMax = { message: 8, part: 16, tools: 600 }

/** What a model counts of a request; texts to embed have no framing. `model` is its id as the provider has it. */
export const promptOf = (request: Request, { family }: Pick<Model, "family">, model: string): Prompt => {
  if (request.embed !== undefined) return { texts: request.embed.input, overhead: 0, plain: true, complete: true }
  const framing = framings[family]
  const reader = new Reader(framing, family, model)
  for (const message of request.messages) reader.message(message)
  let { overhead } = reader
  const { texts } = reader
  let { plain } = reader
  if (request.tools !== undefined && request.tools.length > 0) {
    plain = false
    overhead += framing.tools
    texts.push(framing.render(request.tools))
  }
  const { responseFormat } = request
  if (responseFormat?.type === "json-schema") {
    plain = false
    texts.push(jsonOf(responseFormat.schema))
  }
  return { texts, overhead: overhead + framing.priming, plain, complete: reader.complete }
}

/** At most so many tokens have the known parts of a request, whatever the model: no text has more than it has bytes. */
export const boundOf = (request: Request): number => {
  if (request.embed !== undefined) return request.embed.input.reduce((sum, text) => sum + boundText(text), 0)
  let tokens = framingMax.message
  for (const { content, name } of request.messages) {
    tokens += framingMax.message
    if (name !== undefined) tokens += boundText(name)
    if (typeof content === "string") tokens += boundText(content)
    else for (const part of content) tokens += framingMax.part + partBytes(part)
  }
  if (request.tools !== undefined && request.tools.length > 0) {
    tokens += framingMax.tools + framingMax.part * request.tools.length
    tokens += Math.max(boundText(jsonOf(request.tools)), boundText(typescriptOf(request.tools)))
  }
  if (request.responseFormat?.type === "json-schema") tokens += boundText(jsonOf(request.responseFormat.schema))
  return tokens
}

/** The largest image of any formula: OpenAI's gpt-4o-mini with eight tiles. */
const imageMax = 2833 + 8 * 5667

const partBytes = (part: ContentPart): number => {
  switch (part.type) {
    case "text":
    case "reasoning":
      return boundText(part.text)
    case "tool-call":
      return boundText(part.name) + boundText(part.arguments)
    case "tool-result":
      if (typeof part.content === "string") return boundText(part.content)
      return part.content.reduce((sum, inner) => sum + framingMax.part + partBytes(inner), 0)
    case "image":
      return imageMax
    default:
      return 0
  }
}

class Reader {
  readonly texts: Array<string> = []
  overhead = 0
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

  message({ content, name }: Message): void {
    this.overhead += this.framing.message
    if (name !== undefined) {
      this.overhead += nameTokens
      this.texts.push(name)
    }
    if (typeof content === "string") this.texts.push(content)
    else for (const part of content) this.part(part)
  }

  private part(part: ContentPart): void {
    if (part.type === "text") {
      this.texts.push(part.text)
      return
    }
    this.plain = false
    switch (part.type) {
      case "reasoning":
        this.texts.push(part.text)
        return
      case "tool-call":
        this.overhead += this.framing.toolCall
        this.texts.push(part.name, part.arguments)
        return
      case "tool-result":
        if (typeof part.content === "string") this.texts.push(part.content)
        else for (const inner of part.content) this.part(inner)
        return
      case "image": {
        const tokens = imageTokens(part, this.family, this.model)
        if (tokens === undefined) this.complete = false
        else this.overhead += tokens
        return
      }
      case "file":
        this.complete = false
        return
    }
  }
}

const jsonTexts = new WeakMap<object, string>()

/** JSON of tools or of a schema, remembered for callers that send the same object again. */
const jsonOf = (value: object): string => remembered(jsonTexts, value, () => JSON.stringify(value))

const typescriptTexts = new WeakMap<object, string>()

/**
 * Tools in the TypeScript-like form that OpenAI's models are shown.
 * Source: github.com/hmarr/openai-chat-tokens (MIT), which found it by experiment.
 */
const typescriptOf = (tools: ReadonlyArray<Tool>): string =>
  remembered(typescriptTexts, tools, () => {
    const lines = ["namespace functions {", ""]
    for (const { description, name, parameters } of tools) {
      if (description !== undefined) lines.push(`// ${description}`)
      const properties = isRecord(parameters) ? propertiesOf(parameters, 0) : []
      if (properties.length === 0) lines.push(`type ${name} = () => any;`, "")
      else lines.push(`type ${name} = (_: {`, ...properties, "}) => any;", "")
    }
    lines.push("} // namespace functions")
    return lines.join("\n")
  })

const remembered = <A extends object>(memory: WeakMap<A, string>, key: A, make: () => string): string => {
  let text = memory.get(key)
  if (text === undefined) memory.set(key, (text = make()))
  return text
}

/** Nesting that is rendered; what is deeper counts as `any`. */
const depthMax = 16

const propertiesOf = (schema: JsonSchema, depth: number): Array<string> => {
  const { properties, required } = schema
  if (!isRecord(properties) || depth > depthMax) return []
  const names = new Set(Array.isArray(required) ? required : [])
  const indent = " ".repeat(depth)
  return Object.entries(properties).flatMap(([name, property]) => {
    const line = `${indent}${name}${names.has(name) ? "" : "?"}: ${typeOf(property, depth)},`
    const described = isRecord(property) && typeof property["description"] === "string" && depth < 2
    return described ? [`${indent}// ${property["description"] as string}`, line] : [line]
  })
}

const typeOf = (schema: unknown, depth: number): string => {
  if (!isRecord(schema) || depth > depthMax) return "any"
  const { anyOf, items, oneOf, type } = schema
  const choices = schema["enum"] ?? (schema["const"] === undefined ? undefined : [schema["const"]])
  if (Array.isArray(choices)) return choices.map((choice) => JSON.stringify(choice)).join(" | ")
  const alternatives = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined
  if (alternatives !== undefined) return alternatives.map((inner) => typeOf(inner, depth + 1)).join(" | ")
  if (Array.isArray(type)) return type.join(" | ")
  switch (type) {
    case "array":
      return `${typeOf(items, depth + 1)}[]`
    case "object": {
      const indent = " ".repeat(depth)
      return `{\n${propertiesOf(schema, depth + 2).join("\n")}\n${indent}}`
    }
    case "integer":
      return "number"
    default:
      return typeof type === "string" ? type : "any"
  }
}

type JsonSchema = { readonly [key: string]: unknown }

const isRecord = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)
