/**
 * The plan's figures on real arrivals: an hour's trace of a production service, played four times as fast, with real prompts,
 * through `millrace serve` to a provider that is as slow as a fast model and fails two calls in a hundred.
 *
 * Arrivals and lengths of answers are those of Azure's conversation trace; the prompts and their repeats those of
 * `prompts.ts`. The provider's time to the first token is lognormal (median 350 ms, sigma 0.35) and it writes 250 tokens a
 * second; of its calls 1 % fail with 500, 0.5 % with 429 and Retry-After 1, 0.3 % with a broken connection and 0.2 % are
 * never answered (the gateway's timeout is 5 s). One call in two is streamed. Millrace has its defaults, with one provider
 * and an exact cache of an hour. Figures are the callers' own; the gateway's counts must agree with them and with the
 * provider's.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { Agent, request as ask } from "undici"
import { arrivals } from "../support/traces.ts"
import { mulberry, readPrompts, requests } from "./prompts.ts"
import { quantile, type Options, type Row, type Table } from "./report.ts"

const speed = 4
const tokensPerSecond = 250
const adminToken = "admin-token-of-the-benchmark"
const command = path.resolve(import.meta.dirname, "../../engine/bin/millrace.js")

interface Answered {
  readonly ok: boolean
  readonly latencyMs: number
  readonly firstMs: number
  readonly cache: string
}

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const minutes = options.quick ? 1 : 10
  const trace = arrivals("conv", { hours: minutes / 60, stretch: 1 / speed })
  const provider = await startProvider(trace.map(({ outputTokens }) => outputTokens))
  const folder = mkdtempSync(path.join(tmpdir(), "millrace-kpi-"))
  const gateway = await startGateway(folder, provider.url)
  try {
    const dispatcher = new Agent({ connections: 1000, pipelining: 1 })
    const next = requests(readPrompts(), 1, 7)
    const startedAt = performance.now()
    const answered = await Promise.all(
      trace.map(async ({ atMs }, i) => {
        const {
          metadata: _,
          prompt,
          responseFormat,
          system,
          ...settings
        } = next() as ReturnType<typeof next> & {
          readonly system?: string
          readonly responseFormat?: unknown
        }
        await sleep(Math.max(0, startedAt + atMs - performance.now()))
        return call(dispatcher, gateway.url, i % 2 === 0, {
          ...settings,
          ...(responseFormat === undefined ? {} : { response_format: responseFormat }),
          messages: [
            ...(system === undefined ? [] : [{ role: "system", content: system }]),
            { role: "user", content: prompt }
          ]
        })
      })
    )
    const lastedMs = performance.now() - startedAt
    const status = await gateway.status()
    await dispatcher.close()
    return [kpis(answered, lastedMs, provider.served(), status), counts(answered, provider.served(), status)]
  } finally {
    await gateway.stop()
    await provider.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

const kpis = (answered: ReadonlyArray<Answered>, lastedMs: number, served: Served, status: Status): Table => {
  const latencies = answered.map(({ latencyMs }) => latencyMs)
  const firsts = answered.filter(({ ok }) => ok).map(({ firstMs }) => firstMs)
  const hits = answered.filter(({ cache }) => cache === "hit" || cache === "semantic" || cache === "coalesced").length
  const failed = answered.filter(({ ok }) => !ok).length
  const { costUsd, savedUsd } = status.totals
  const row = (name: string, value: number, kind?: "at-most" | "at-least", goal?: number): Row => ({
    name,
    value,
    ...(kind === undefined ? {} : { goals: [{ kind, value: goal! }] })
  })
  return {
    title: `The plan's figures: ${answered.length.toLocaleString("en-US")} calls in ${(lastedMs / 60_000).toFixed(1)} minutes`,
    unit: "as named",
    rows: [
      row("latency p50, ms", quantile(latencies, 0.5)),
      row("latency p95, ms", quantile(latencies, 0.95), "at-most", 2000),
      row("latency p99, ms", quantile(latencies, 0.99)),
      row("latency p95 of the provider alone, ms", quantile(served.latenciesMs, 0.95)),
      row("time to first byte p95, ms", quantile(firsts, 0.95)),
      row("cache hit rate, %", (hits / answered.length) * 100, "at-least", 40),
      row("error rate, %", (failed / answered.length) * 100, "at-most", 1),
      row("requests a minute", answered.length / (lastedMs / 60_000), "at-least", 1000),
      row("cost reduction, %", (savedUsd / (savedUsd + costUsd)) * 100, "at-least", 30),
      row("success, %", (1 - failed / answered.length) * 100, "at-least", 99.9)
    ]
  }
}

/** What callers, gateway and provider have counted. */
const counts = (answered: ReadonlyArray<Answered>, served: Served, { providers, totals }: Status): Table => ({
  title: "Counts of callers, gateway and provider",
  unit: "",
  rows: [
    { name: "calls, by the callers", value: answered.length },
    { name: "calls, by the gateway", value: totals.requests },
    { name: "completion tokens, by the provider", value: served.tokens },
    { name: "completion tokens, by the gateway", value: totals.completionTokens },
    { name: "upstream calls, by the provider", value: served.calls },
    {
      name: "upstream calls, by the gateway",
      value: providers.reduce((sum, { attempts }) => sum + attempts.attempts, 0)
    },
    { name: "upstream calls that failed, by the provider", value: served.failed }
  ]
})

const call = async (dispatcher: Agent, url: string, stream: boolean, body: object): Promise<Answered> => {
  const startedAt = performance.now()
  let firstMs = Number.NaN
  try {
    const response = await ask(`${url}/v1/chat/completions`, {
      method: "POST",
      dispatcher,
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...body, ...(stream ? { stream } : {}) })
    })
    let text = ""
    for await (const chunk of response.body) {
      if (Number.isNaN(firstMs)) firstMs = performance.now() - startedAt
      text += String(chunk)
    }
    const ok = response.statusCode === 200 && (stream ? text.endsWith("data: [DONE]\n\n") : text.endsWith("}"))
    const cache = String(response.headers["x-millrace-cache"] ?? "")
    return { ok, latencyMs: performance.now() - startedAt, firstMs, cache }
  } catch {
    return { ok: false, latencyMs: performance.now() - startedAt, firstMs, cache: "" }
  }
}

interface Served {
  /** How long the answers took the provider itself. */
  readonly latenciesMs: Array<number>
  calls: number
  failed: number
  tokens: number
}

/** Answers in Chat Completions, of the trace's lengths in their order. */
const startProvider = async (lengths: ReadonlyArray<number>) => {
  const random = mulberry(99)
  const served: Served = { latenciesMs: [], calls: 0, failed: 0, tokens: 0 }
  const server = createServer((message, response) => {
    let text = ""
    message.on("data", (chunk: Buffer) => (text += chunk.toString()))
    message.on("end", () => void answer(JSON.parse(text) as { readonly stream?: boolean }, response))
  })
  const answer = async (body: { readonly stream?: boolean }, response: ServerResponse) => {
    served.calls++
    const startedAt = performance.now()
    const fate = random()
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
    const firstMs = 350 * Math.exp(0.35 * normal)
    if (fate < 0.02) served.failed++
    if (fate < 0.002) return
    await sleep(fate < 0.02 ? 50 : firstMs)
    if (fate < 0.005) return void response.destroy()
    if (fate < 0.01) return end(response, 429, { error: { message: "slow down" } }, { "retry-after": "1" })
    if (fate < 0.02) return end(response, 500, { error: { message: "failed" } })
    const tokens = lengths[served.calls % lengths.length]!
    const usage = { prompt_tokens: 100, completion_tokens: tokens, total_tokens: 100 + tokens }
    const content = "word ".repeat(tokens)
    served.tokens += tokens
    response.once("finish", () => served.latenciesMs.push(performance.now() - startedAt))
    if (body.stream !== true) {
      await sleep((tokens / tokensPerSecond) * 1000)
      return end(response, 200, {
        ...head("chat.completion"),
        choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
        usage
      })
    }
    response.writeHead(200, { "content-type": "text/event-stream" })
    const write = (event: object) => response.write(`data: ${JSON.stringify(event)}\n\n`)
    const chunk = (delta: object, finish_reason: string | null) => ({
      ...head("chat.completion.chunk"),
      choices: [{ index: 0, delta, finish_reason }]
    })
    const step = 25
    for (let sent = 0; sent < tokens; sent += step) {
      write(chunk({ content: "word ".repeat(Math.min(step, tokens - sent)) }, null))
      await sleep((step / tokensPerSecond) * 1000)
    }
    write(chunk({}, "stop"))
    write({ ...head("chat.completion.chunk"), choices: [], usage })
    response.end("data: [DONE]\n\n")
  }
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    served: () => served,
    stop: () => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => server.close(() => resolve()))
    }
  }
}

const head = (object: string) => ({ id: "chatcmpl-kpi", object, created: 1_700_000_000, model: "gpt-5.4-mini" })

const end = (
  response: ServerResponse,
  status: number,
  body: object,
  headers: { [name: string]: string } = {}
): void => {
  response.writeHead(status, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(body))
}

interface Status {
  readonly totals: {
    readonly requests: number
    readonly completionTokens: number
    readonly costUsd: number
    readonly savedUsd: number
  }
  readonly providers: ReadonlyArray<{ readonly attempts: { readonly attempts: number } }>
}

const startGateway = async (folder: string, upstreamUrl: string) => {
  const config = path.join(folder, "millrace.config.json")
  writeFileSync(
    config,
    JSON.stringify({
      providers: [
        {
          name: "openai",
          kind: "openai",
          apiKey: "sk-bench",
          baseUrl: upstreamUrl,
          api: "chat",
          model: "gpt-5.4-mini",
          timeout: 5000,
          rateLimits: { concurrent: 500 }
        }
      ],
      cache: { maxSize: 10_000, ttl: "1 hour" },
      storage: { database: `sqlite:${path.join(folder, "usage.db")}` },
      server: { adminToken },
      logging: { level: "error" }
    })
  )
  const child = spawn(process.execPath, [command, "serve", "--config", config, "--port", "0", "--json"], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  const url = await new Promise<string>((resolve, reject) => {
    let output = ""
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString()
      const found = /^\{"url":"([^"]+)"/m.exec(output)
      if (found !== null) resolve(found[1]!)
    })
    void ended.then(() => reject(new Error(`the gateway ended before it served: ${output}`)))
  })
  return {
    url,
    status: async (): Promise<Status> => {
      const answer = await fetch(`${url}/admin/api/status`, { headers: { authorization: `Bearer ${adminToken}` } })
      return (await answer.json()) as Status
    },
    stop: () => {
      child.kill("SIGTERM")
      return ended
    }
  }
}
