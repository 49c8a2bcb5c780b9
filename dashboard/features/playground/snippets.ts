/**
 * A call of the playground as code that runs elsewhere: curl, OpenAI's SDK, AIEngine, Effect.
 *
 * All of them go through this gateway and take the secret of a virtual key from `MILLRACE_API_KEY`; none holds one.
 */
import { bodyOf, type CacheMode, type CallBody } from "./draft.ts"

export interface SnippetInput {
  /** Where the gateway is, without a slash at the end. */
  readonly url: string
  readonly model: string
  readonly body: CallBody
  readonly cache: CacheMode
  readonly stream: boolean
}

export const snippetKinds = ["curl", "openai", "engine", "effect"] as const
export type SnippetKind = (typeof snippetKinds)[number]

export const snippetLabels: Record<SnippetKind, string> = {
  curl: "curl",
  openai: "OpenAI SDK",
  engine: "AIEngine",
  effect: "Effect"
}

export const snippetOf = (kind: SnippetKind, input: SnippetInput): string => {
  switch (kind) {
    case "curl":
      return curl(input)
    case "openai":
      return openai(input)
    case "engine":
      return engine(input)
    case "effect":
      return effect(input)
  }
}

const curl = (input: SnippetInput): string =>
  [
    `curl ${input.stream ? "-N " : ""}${quoted(`${input.url}/v1/chat/completions`)} \\`,
    `  -H "authorization: Bearer $MILLRACE_API_KEY" \\`,
    `  -H 'content-type: application/json' \\`,
    ...(input.cache === "default" ? [] : [`  -H 'x-millrace-cache: ${input.cache}' \\`]),
    `  -d ${quoted(JSON.stringify(bodyOf(input), null, 2))}`
  ].join("\n")

/** A word of a shell. */
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

const openai = (input: SnippetInput): string => {
  const { cache, stream, url } = input
  const options = cache === "default" ? "" : `, ${literal({ headers: { "x-millrace-cache": cache } })}`
  return `import OpenAI from "openai"

const client = new OpenAI({
  baseURL: ${JSON.stringify(`${url}/v1`)},
  apiKey: process.env["MILLRACE_API_KEY"] ?? "none"
})

const ${stream ? "chunks" : "answer"} = await client.chat.completions.create(${literal(bodyOf(input))}${options})
${
  stream
    ? `for await (const chunk of chunks) process.stdout.write(chunk.choices[0]?.delta.content ?? "")`
    : `console.log(answer.choices[0]?.message.content)`
}
`
}

const provider = ({ model, url }: SnippetInput): string => `{
  providers: [
    {
      name: "gateway",
      kind: "openai-compatible",
      baseUrl: ${JSON.stringify(`${url}/v1`)},
      apiKey: process.env["MILLRACE_API_KEY"] ?? "none",
      model: ${JSON.stringify(model)}
    }
  ]
}`

const engine = (input: SnippetInput): string => `import { AIEngine } from "millrace"

await using engine = new AIEngine(${provider(input)})

${
  input.stream
    ? `const chunks = engine.streamText(${literal(requestOf(input))})
for await (const chunk of chunks) process.stdout.write(chunk)`
    : `const answer = await engine.generateText(${literal(requestOf(input))})
console.log(answer.content, answer.usage, answer.cost)`
}
`

const effect = (
  input: SnippetInput
): string => `import { ${input.stream ? "Console, Effect, Stream" : "Console, Effect"} } from "effect"
import { Engine } from "millrace"

const EngineLive = Engine.layer(${provider(input)})

const program = ${
  input.stream
    ? `Engine.streamText(${literal(requestOf(input))}).pipe(
  Stream.runForEach((part) => (part.type === "text" ? Console.log(part.text) : Effect.void))
)`
    : `Engine.generateText(${literal(requestOf(input))}).pipe(
  Effect.flatMap(({ content, usage }) => Console.log(content, usage))
)`
}

await Effect.runPromise(program.pipe(Effect.provide(EngineLive)))
`

/** The call as a request of the library. */
const requestOf = ({ body, cache }: SnippetInput) => {
  const { max_tokens: maxTokens, response_format: format, seed, stop, temperature, tools, top_p: topP } = body
  return {
    messages: body.messages.map(messageOf),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(maxTokens === undefined ? {} : { maxTokens }),
    ...(seed === undefined ? {} : { seed }),
    ...(stop === undefined ? {} : { stop }),
    ...(tools === undefined ? {} : { tools: tools.map((tool) => tool.function) }),
    ...(format === undefined ? {} : { responseFormat: formatOf(format) }),
    ...(cache === "default" ? {} : { cache: { mode: cache } })
  }
}

const messageOf = ({ content, role, tool_call_id: callId, tool_calls: calls }: CallBody["messages"][number]) => {
  if (role === "tool") return { role, content: [{ type: "tool-result", id: callId, content: content ?? "" }] }
  if (calls === undefined) return { role, content: content ?? "" }
  return {
    role,
    content: [
      ...(content === null ? [] : [{ type: "text", text: content }]),
      ...calls.map((call) => ({
        type: "tool-call",
        id: call.id,
        name: call.function.name,
        arguments: call.function.arguments
      }))
    ]
  }
}

const formatOf = (format: NonNullable<CallBody["response_format"]>) =>
  format.type === "json_object"
    ? { type: "json" }
    : { type: "json-schema", name: format.json_schema.name, schema: format.json_schema.schema }

const identifier = /^[A-Za-z_$][\w$]*$/

/** A value as a literal of TypeScript. */
const literal = (value: unknown, indent = ""): string => {
  const inner = `${indent}  `
  if (Array.isArray(value)) {
    if (value.length === 0) return "[]"
    return `[\n${value.map((item) => inner + literal(item, inner)).join(",\n")}\n${indent}]`
  }
  if (typeof value === "object" && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined)
    if (fields.length === 0) return "{}"
    const lines = fields.map(
      ([name, field]) => `${inner}${identifier.test(name) ? name : JSON.stringify(name)}: ${literal(field, inner)}`
    )
    return `{\n${lines.join(",\n")}\n${indent}}`
  }
  return JSON.stringify(value)
}
