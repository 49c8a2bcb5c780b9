/**
 * A provider that answers at once, in a process of its own: OpenAI's chat completions as JSON and as a stream.
 *
 * `max_tokens` is the number of chunks of a stream, `seed` the milliseconds between them; the first chunk comes at
 * once. Prints `ready` when it listens on the port that it was given.
 */
import { createServer, type ServerResponse } from "node:http"
import { wholeText } from "../workload.ts"

const usage = { prompt_tokens: 200, completion_tokens: 50, total_tokens: 250 }

const whole = Buffer.from(
  JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion",
    created: 1_790_000_000,
    model: "mock-model",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: wholeText, refusal: null },
        logprobs: null,
        finish_reason: "stop"
      }
    ],
    usage,
    service_tier: "default",
    system_fingerprint: "fp_bench"
  })
)

const event = (delta: object, finishReason: string | null) =>
  `data: ${JSON.stringify({
    id: "chatcmpl-bench",
    object: "chat.completion.chunk",
    created: 1_790_000_000,
    model: "mock-model",
    system_fingerprint: "fp_bench",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }]
  })}\n\n`

const first = event({ role: "assistant", content: "token " }, null)
const next = event({ content: "token " }, null)
const usageEvent = `data: ${JSON.stringify({
  id: "chatcmpl-bench",
  object: "chat.completion.chunk",
  created: 1_790_000_000,
  model: "mock-model",
  choices: [],
  usage
})}\n\n`
const last = event({}, "stop")
const done = "data: [DONE]\n\n"

const stream = (response: ServerResponse, chunks: number, everyMs: number, withUsage: boolean): void => {
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" })
  response.write(first)
  let sent = 1
  const timer = setInterval(() => {
    if (sent < chunks) {
      sent++
      response.write(next)
      return
    }
    clearInterval(timer)
    response.end(last + (withUsage ? usageEvent : "") + done)
  }, everyMs)
  response.once("close", () => clearInterval(timer))
}

interface Asked {
  readonly stream?: boolean
  readonly max_tokens?: number
  readonly seed?: number
  readonly stream_options?: { readonly include_usage?: boolean }
}

const server = createServer((request, response) => {
  const received: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => received.push(chunk))
  request.on("end", () => {
    const body = Buffer.concat(received)
    if (!body.includes('"stream":true')) {
      response.writeHead(200, { "content-type": "application/json", "content-length": whole.length })
      response.end(whole)
      return
    }
    const asked = JSON.parse(body.toString()) as Asked
    stream(response, asked.max_tokens ?? 1, asked.seed ?? 1, asked.stream_options?.include_usage === true)
  })
})

// Longer than a run: a connection that the upstream closes while a gateway reuses it would be an error of ours.
server.keepAliveTimeout = 3_600_000
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("ready"))
