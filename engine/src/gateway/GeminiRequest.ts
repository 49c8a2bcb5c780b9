/**
 * Bodies of `POST /v1beta/models/{model}:generateContent`: their canonical form.
 *
 * Unknown fields are kept in `wire`, so that a Gemini upstream gets them untouched. What only such an upstream can carry is
 * named in `needs`, and is an error when the request goes elsewhere. The model is in the path. Calls and results without
 * an id get one by their order, results the one of the first open call to their function.
 */
import { Result } from "effect"
import type { InvalidRequest } from "../Errors.ts"
import { unknownSignature } from "../protocols/GeminiConversation.ts"
import { stringOr } from "../protocols/Json.ts"
import type { ContentPart, Message, ResponseFormat, Tool, ToolChoice } from "../Request.ts"
import { bodyDecoder, type JsonBody } from "./BodySchema.ts"
import { carriedIn } from "./CarriedSignatures.ts"
import type { DecodedBody } from "./Dialect.ts"
import { camelCased, freeForm, GeminiBody, type GeminiPart, jsonSchemaOf } from "./GeminiBody.ts"
import { withoutForeign } from "./GeminiForeign.ts"
import { type HintRules, hintsOf } from "./Hints.ts"

const decodeBody = bodyDecoder(GeminiBody)

export const geminiHints: HintRules = {
  hints: {
    safetySettings: undefined,
    labels: undefined,
    "generationConfig.thinkingConfig.includeThoughts": false
  },
  freeForm
}

export interface Target {
  readonly model: string
  readonly stream: boolean
}

/** Decodes a body; fails with the path of the first field that is wrong, in camel case. */
export const decodeGemini = (raw: JsonBody, target: Target): Result.Result<DecodedBody, InvalidRequest> => {
  const body = camelCased(raw)
  return Result.map(decodeBody(body), (read) => {
    const reader = new Reader()
    if (read.systemInstruction != null) {
      reader.messages.push({ role: "system", content: reader.parts(read.systemInstruction.parts ?? []) })
    }
    for (const content of read.contents) reader.content(content)
    const choice = read.toolConfig?.functionCallingConfig
    const tools = toolsOf(read, body, choice?.mode === "VALIDATED", reader.needs)
    const config = read.generationConfig
    needsOf(read, reader.needs)
    return {
      model: target.model,
      messages: reader.messages,
      temperature: config?.temperature ?? undefined,
      topP: config?.topP ?? undefined,
      maxTokens: config?.maxOutputTokens ?? undefined,
      stop: config?.stopSequences ?? undefined,
      seed: config?.seed ?? undefined,
      topK: Math.round(config?.topK ?? 0) || undefined,
      presencePenalty: config?.presencePenalty || undefined,
      frequencyPenalty: config?.frequencyPenalty || undefined,
      logprobs: config?.responseLogprobs === true ? Math.min(20, Math.max(0, config.logprobs ?? 0)) : undefined,
      tools,
      toolChoice: toolChoiceOf(read, tools, reader.needs),
      responseFormat: formatOf(read, reader.needs),
      reasoning: reasoningOf(read),
      stream: target.stream,
      wire: {
        dialect: "gemini",
        ...withoutForeign(raw, body, reader.signed),
        needs: [...reader.needs],
        hints: () => hintsOf(body, decodeBody.known(body), geminiHints)
      }
    }
  })
}

type Content = GeminiBody["contents"][number]
type Part = typeof GeminiPart.Type

/** Turns contents into canonical messages and notes what has no canonical form. */
class Reader {
  readonly messages: Array<Message> = []
  readonly needs = new Set<string>()
  /** True when there are signatures of earlier turns. */
  signed = false
  private calls = 0
  /** Calls that have no result yet. */
  private readonly open: Array<{ readonly id: string; readonly name: string }> = []

  content({ parts, role }: Content): void {
    if (role === "model") return void this.messages.push({ role: "assistant", content: this.parts(parts ?? []) })
    const read = this.parts(parts ?? [])
    const results = read.filter((part) => part.type === "tool-result")
    const others = read.filter((part) => part.type !== "tool-result")
    if (results.length > 0) this.messages.push({ role: "tool", content: results })
    if (others.length > 0 || results.length === 0) {
      this.messages.push({ role: role === "system" ? "system" : "user", content: others })
    }
  }

  parts(parts: ReadonlyArray<Part>): ReadonlyArray<ContentPart> {
    const out: Array<ContentPart> = []
    for (const part of parts) this.part(part, out)
    return out
  }

  private part(part: Part, out: Array<ContentPart>): void {
    const { fileData, functionCall: call, functionResponse: result, inlineData, text } = part
    const thought = part.thought === true
    const signature = part.thoughtSignature === unknownSignature ? undefined : (part.thoughtSignature ?? undefined)
    if (signature !== undefined || thought) addReasoning(out, thought ? (text ?? "") : "", signature)
    this.signed ||= signature !== undefined
    if (text != null && !thought && (text !== "" || signature === undefined)) out.push({ type: "text", text })
    if (inlineData != null) out.push(blobOf(inlineData.data, inlineData.mimeType))
    if (fileData != null) {
      const mediaType = fileData.mimeType ?? "application/octet-stream"
      if (ownFile.test(fileData.fileUri)) this.needs.add("files that were uploaded to Gemini (fileData.fileUri)")
      else out.push(blobOf(fileData.fileUri, mediaType))
    }
    if (call != null) {
      const id = call.id ?? `call_${this.calls}`
      this.calls++
      this.open.push({ id, name: call.name })
      out.push({ type: "tool-call", id, name: call.name, arguments: JSON.stringify(call.args ?? {}) })
    }
    if (result != null) out.push(this.result(result))
    for (const kind of [
      "executableCode",
      "codeExecutionResult",
      "toolCall",
      "toolResponse",
      "videoMetadata"
    ] as const) {
      if (part[kind] != null) this.needs.add(`parts of kind ${kind}`)
    }
  }

  private result({ id, name, parts, response }: NonNullable<Part["functionResponse"]>): ContentPart {
    const at = this.open.findIndex((call) => (id == null ? call.name === name : call.id === id))
    const [call] = at < 0 ? [] : this.open.splice(at, 1)
    const keys = Object.keys(response ?? {})
    const isError = keys.length === 1 && keys[0] === "error"
    const value = isError || (keys.length === 1 && keys[0] === "output") ? response![keys[0]!] : (response ?? {})
    const text = typeof value === "string" ? value : JSON.stringify(value)
    const blobs = (parts ?? []).flatMap(({ fileData, inlineData }) => {
      if (fileData != null) this.needs.add("files that were uploaded to Gemini (fileData.fileUri)")
      return inlineData == null ? [] : [blobOf(inlineData.data, inlineData.mimeType)]
    })
    return {
      type: "tool-result",
      id: id ?? call?.id ?? `call_of_${name}`,
      // A call before it has the name already.
      ...(call === undefined ? { name } : {}),
      content: blobs.length === 0 ? text : [{ type: "text", text }, ...blobs],
      ...(isError ? { isError } : {})
    }
  }
}

/** A signature belongs to the thought before it, when that has none. */
const addReasoning = (out: Array<ContentPart>, text: string, signature: string | undefined): void => {
  const signed = signature === undefined ? {} : carriedIn("gemini", signature)
  const last = out[out.length - 1]
  const open = last?.type === "reasoning" && last.signature === undefined && last.redacted === undefined
  if (open && signed.redacted === undefined) out[out.length - 1] = { ...last, text: last.text + text, ...signed }
  else out.push({ type: "reasoning", text, ...signed })
}

/** Files that only Gemini can open. */
const ownFile = /^(?:gs:|https:\/\/generativelanguage\.googleapis\.com\/)/

const blobOf = (data: string, mediaType: string): Extract<ContentPart, { readonly type: "image" | "file" }> =>
  mediaType.startsWith("image/") ? { type: "image", image: data, mediaType } : { type: "file", data, mediaType }

const toolsOf = (
  read: GeminiBody,
  body: JsonBody,
  strict: boolean,
  needs: Set<string>
): ReadonlyArray<Tool> | undefined => {
  if (read.tools == null) return undefined
  for (const tool of body["tools"] as ReadonlyArray<object>) {
    for (const kind of Object.keys(tool)) if (kind !== "functionDeclarations") needs.add(`tools of kind ${kind}`)
  }
  const tools = read.tools.flatMap(({ functionDeclarations }) =>
    (functionDeclarations ?? []).map(({ description, name, parameters, parametersJsonSchema }): Tool => {
      const schema = parametersJsonSchema ?? (parameters == null ? undefined : jsonSchemaOf(parameters))
      return {
        name,
        ...(description == null ? {} : { description }),
        ...(schema === undefined ? {} : { parameters: schema }),
        ...(strict ? { strict } : {})
      }
    })
  )
  return tools.length === 0 ? undefined : tools
}

const toolChoiceOf = (
  { toolConfig }: GeminiBody,
  tools: ReadonlyArray<Tool> | undefined,
  needs: Set<string>
): ToolChoice | undefined => {
  const config = toolConfig?.functionCallingConfig
  const names = config?.allowedFunctionNames ?? []
  switch (config?.mode) {
    case "ANY":
      if (names.length === 1) return { name: names[0]! }
      if (names.length > 0 && tools?.every(({ name }) => names.includes(name)) !== true) {
        needs.add("several allowedFunctionNames")
      }
      return "required"
    case "NONE":
      return "none"
    case "AUTO":
      return "auto"
    default:
      return undefined
  }
}

const formatOf = ({ generationConfig: config }: GeminiBody, needs: Set<string>): ResponseFormat | undefined => {
  const stated = config?.responseSchema
  const schema = config?.responseJsonSchema ?? (stated == null ? undefined : jsonSchemaOf(stated))
  const type = config?.responseMimeType ?? (schema === undefined ? "text/plain" : "application/json")
  if (type === "text/plain") return undefined
  if (type !== "application/json") return void needs.add(`responseMimeType ${type}`)
  return schema === undefined ? { type: "json" } : { type: "json-schema", schema }
}

const efforts = { MINIMAL: "minimal", LOW: "low", MEDIUM: "medium", HIGH: "high" } as const

/** A budget of 0 switches thinking off, -1 leaves it to the model. */
const reasoningOf = ({ generationConfig }: GeminiBody): DecodedBody["reasoning"] => {
  const thinking = generationConfig?.thinkingConfig
  const budget = thinking?.thinkingBudget
  if (budget === 0) return { effort: "none" }
  if (budget != null && budget > 0) return { maxTokens: budget }
  const level = stringOr(thinking?.thinkingLevel, "").toUpperCase()
  return Object.hasOwn(efforts, level) ? { effort: efforts[level as keyof typeof efforts] } : undefined
}

/** What has no canonical form. Values that equal Google's defaults ask for nothing. */
const needsOf = ({ cachedContent, generationConfig: config }: GeminiBody, needs: Set<string>): void => {
  if (cachedContent != null) needs.add("cachedContent")
  if (config == null) return
  if ((config.candidateCount ?? 1) > 1) needs.add("several candidates (candidateCount)")
  if (config.responseModalities?.some((kind) => kind.toUpperCase() !== "TEXT") === true) needs.add("responseModalities")
  if (config.speechConfig != null) needs.add("speechConfig")
  if (config.imageConfig != null) needs.add("imageConfig")
}
