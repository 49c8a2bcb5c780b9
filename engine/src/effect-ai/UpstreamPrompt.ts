/**
 * From a request of the engine to a prompt and tools of Effect's AI modules.
 *
 * What an earlier answer of the same model carried in its metadata is given back with it. Names of participants and the
 * detail of an image have no place in Effect's prompts; they change no meaning and are reported as left out.
 */
import { Effect, Result } from "effect"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import * as Tool from "effect/ai/Tool"
import * as Toolkit from "effect/ai/Toolkit"
import type { EngineError } from "../Errors.ts"
import { returned } from "../ForeignMetadata.ts"
import { type Turn, turnsOf } from "../ForeignTurns.ts"
import { sourceOf } from "../protocols/Attachments.ts"
import type { ContentPart, Request } from "../Request.ts"

type Encoded<A> = Result.Result<A, EngineError>

export interface UpstreamPrompt {
  readonly prompt: Prompt.Prompt
  /** Paths of what is left out. */
  readonly omitted: ReadonlyArray<string>
}

/** `namespace` is the name under which the model reads options of its provider. */
export const toPrompt = (request: Request, namespace: string): Encoded<UpstreamPrompt> =>
  Result.gen(function* () {
    const omitted = request.messages.flatMap(({ name }, index) =>
      name === undefined ? [] : [`messages[${index}].name`]
    )
    if (request.parallelToolCalls === false && (request.tools?.length ?? 0) > 0) omitted.push("parallelToolCalls")
    const messages: Array<Prompt.Message> = []
    for (const turn of yield* turnsOf(request.messages)) {
      messages.push(yield* toMessage(turn, { field: turn.field, namespace, omitted }))
    }
    return { prompt: Prompt.fromMessages(messages), omitted }
  })

/** Tools that the model may ask for; the caller of the engine runs them. */
export const toToolkit = (request: Request): Toolkit.WithHandler<Record<string, Tool.Any>> | undefined => {
  if (request.tools === undefined || request.tools.length === 0) return undefined
  const tools = request.tools.map(({ description, name, parameters, strict }) => {
    const tool = Tool.dynamic(name, { description, parameters: parameters ?? { type: "object", properties: {} } })
    return strict === undefined ? tool : tool.annotate(Tool.Strict, strict)
  })
  const { tools: byName } = Toolkit.make(...(tools as unknown as ReadonlyArray<Tool.Any>))
  return { tools: byName, handle: () => Effect.die(new Error("tools are run by the caller of the engine")) }
}

export const toToolChoice = (request: Request): LanguageModel.ToolChoice<string> | undefined =>
  typeof request.toolChoice === "object" ? { tool: request.toolChoice.name } : request.toolChoice

interface Context {
  readonly field: string
  readonly namespace: string
  readonly omitted: Array<string>
}

const toMessage = (turn: Turn, context: Context): Encoded<Prompt.Message> =>
  Result.gen(function* () {
    if (turn.role === "system") return Prompt.systemMessage({ content: turn.text })
    const parts: Array<Prompt.Part> = []
    const earlier = returned(turn.content, context.namespace)
    for (let index = 0; index < earlier.length; index++) {
      const { metadata = {}, part } = earlier[index]!
      parts.push(yield* toPart(part, metadata, { ...context, field: `${context.field}.content[${index}]` }))
    }
    return Prompt.makeMessage(turn.role, { content: parts as never })
  })

const toPart = (part: ContentPart, options: Prompt.ProviderOptions, context: Context): Encoded<Prompt.Part> => {
  switch (part.type) {
    case "text":
      return Result.succeed(Prompt.textPart({ text: part.text }))
    case "image":
    case "file":
      return toFile(part, context)
    case "reasoning":
      return Result.succeed(Prompt.reasoningPart({ text: part.text, options }))
    case "tool-call":
      return Result.succeed(
        Prompt.toolCallPart({
          id: part.id,
          name: part.name,
          params: parsed(part.arguments),
          providerExecuted: false,
          options
        })
      )
    case "tool-result":
      return toToolResult(part, context)
  }
}

const toFile = (
  part: Extract<ContentPart, { readonly type: "image" | "file" }>,
  context: Context
): Encoded<Prompt.FilePart> => {
  const [value, key] = part.type === "image" ? [part.image, "image"] : [part.data, "data"]
  if (part.type === "image" && part.detail !== undefined) context.omitted.push(`${context.field}.detail`)
  const fileName = part.type === "file" && part.filename !== undefined ? { fileName: part.filename } : {}
  return Result.map(sourceOf(value, part.mediaType, `${context.field}.${key}`), (source) =>
    source.type === "url"
      ? Prompt.filePart({ data: new URL(source.url), mediaType: part.mediaType ?? "image/*", ...fileName })
      : Prompt.filePart({ data: source.data, mediaType: source.mediaType, ...fileName })
  )
}

const toToolResult = (
  part: Extract<ContentPart, { readonly type: "tool-result" }>,
  context: Context
): Encoded<Prompt.ToolResultPart> =>
  Result.gen(function* () {
    const common = {
      id: part.id,
      name: part.name ?? "",
      isFailure: part.isError ?? false,
      providerExecuted: false
    }
    if (typeof part.content === "string") return Prompt.toolResultPart({ ...common, result: parsed(part.content) })
    const modelOutput: Array<Prompt.ToolModelOutputPart> = []
    for (let index = 0; index < part.content.length; index++) {
      const output = part.content[index]!
      modelOutput.push(
        output.type === "text"
          ? Prompt.textPart({ text: output.text })
          : yield* toFile(output, { ...context, field: `${context.field}.content[${index}]` })
      )
    }
    return Prompt.toolResultPart({ ...common, result: Prompt.toolModelOutputToText(modelOutput), modelOutput })
  })

/** JSON as its value, anything else as the text it is. */
const parsed = (text: string): unknown => {
  if (text.trim() === "") return {}
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
