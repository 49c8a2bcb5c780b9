/**
 * Identical requests at the same time, over real sockets and in every dialect: one upstream call, and each client gets it
 * in the form it asked for.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { eventsOf, get, textOf, user } from "../support/client.ts"
import { adminToken, idle, startGateway, type TestGateway } from "../support/gateway.ts"
import {
  chatChunk,
  chatCompletion,
  chatEvents,
  event,
  eventStream,
  type Respond,
  sendJson,
  startUpstream,
  type TestUpstream
} from "../support/upstream.ts"

let upstream: TestUpstream
let gateway: TestGateway
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway({
    providers: [
      {
        name: "up",
        kind: "openai-compatible",
        baseUrl: upstream.url,
        model: "m",
        pricing: { input: 1_000_000, output: 1_000_000 }
      }
    ],
    retry: { maxAttempts: 1 },
    breaker: { minimumCalls: 1_000_000 }
  })
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})
afterEach(async () => {
  await idle(gateway)
})

/** Answers in two halves; the second comes when the test says so. */
const halved = (words: ReadonlyArray<string>) => {
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const respond: Respond = async (response, request) => {
    if (request.json["stream"] !== true) {
      await released
      return sendJson(200, chatCompletion(words.join("")))(response, request)
    }
    const events = chatEvents(words)
    response.writeHead(200, eventStream)
    response.write(events.slice(0, 2).join(""))
    await released
    response.end(events.slice(2).join(""))
  }
  return { respond, release }
}

let prompts = 0
/** A prompt that no other test has. */
const prompt = (): string => `prompt ${prompts++}`

interface Client {
  readonly headers: Headers
  /** Settles when the first bytes of the body have come. */
  readonly began: Promise<void>
  readonly text: Promise<string>
}

/** Sends a request; settles with the headers of its answer. */
const send = async (
  path: string,
  body: unknown,
  signal?: AbortSignal
): Promise<Client & { readonly status: number }> => {
  const response = await fetch(`${gateway.url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal })
  })
  const { promise: began, resolve: begin } = Promise.withResolvers<void>()
  const text = (async () => {
    const decoder = new TextDecoder()
    let read = ""
    for await (const chunk of response.body!) {
      read += decoder.decode(chunk as Uint8Array, { stream: true })
      begin()
    }
    return read
  })()
  text.catch(() => undefined)
  return { status: response.status, headers: response.headers, began, text }
}

/** Answers of the gateway that come after all that was sent before. */
const roundTrips = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await get(`${gateway.url}/health/live`)
}

const dataOf = (text: string): ReadonlyArray<any> =>
  text
    .split("\n")
    .filter((line) => line.startsWith("data: ") && line !== "data: [DONE]")
    .map((line) => JSON.parse(line.slice(6)) as unknown)

const dialects: ReadonlyArray<{
  readonly name: string
  readonly path: (stream: boolean) => string
  readonly body: (prompt: string, stream: boolean) => object
  readonly whole: (answer: any) => string
  readonly streamed: (events: ReadonlyArray<any>) => string
}> = [
  {
    name: "chat",
    path: () => "/v1/chat/completions",
    body: (text, stream) => ({ model: "up/m", ...user(text), stream }),
    whole: (answer) => answer.choices[0].message.content as string,
    streamed: textOf
  },
  {
    name: "responses",
    path: () => "/v1/responses",
    body: (text, stream) => ({ model: "up/m", input: text, stream }),
    whole: (answer) => answer.output[0].content[0].text as string,
    streamed: (events) =>
      events.map((each) => (each.type === "response.output_text.delta" ? (each.delta as string) : "")).join("")
  },
  {
    name: "messages",
    path: () => "/v1/messages",
    body: (text, stream) => ({ model: "up/m", max_tokens: 100, ...user(text), stream }),
    whole: (answer) => answer.content[0].text as string,
    streamed: (events) => events.map((each) => (each.delta?.text as string | undefined) ?? "").join("")
  },
  {
    name: "gemini",
    path: (stream) => `/v1beta/models/up/m:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: (text) => ({ contents: [{ role: "user", parts: [{ text }] }] }),
    whole: (answer) => answer.candidates[0].content.parts[0].text as string,
    streamed: (events) =>
      events.map((each) => (each.candidates?.[0]?.content?.parts?.[0]?.text as string | undefined) ?? "").join("")
  }
]

describe("clients of one dialect", () => {
  for (const { body, name, path, streamed, whole } of dialects) {
    for (const first of [true, false]) {
      it(`share one upstream call, ${first ? "streamed" : "whole"} first: ${name}`, async () => {
        const { release, respond } = halved(["Good ", "morning, ", "friend."])
        upstream.respond = respond
        const before = upstream.requests.length
        const text = prompt()
        const asked = upstream.next()
        const leader = send(path(first), body(text, first))
        await asked
        const others = [true, false, true].map((stream) => send(path(stream), body(text, stream)))
        if (first) await Promise.all([others[0]!, others[2]!].map(async (other) => (await other).began))
        await roundTrips()
        release()
        const clients = await Promise.all([leader, ...others])
        const kinds = [first, true, false, true]
        for (const [i, client] of clients.entries()) {
          expect(client.status).toBe(200)
          const answer = await client.text
          expect(kinds[i] ? streamed(dataOf(answer)) : whole(JSON.parse(answer))).toBe("Good morning, friend.")
        }
        expect(clients.map(({ headers }) => headers.get("x-millrace-cache"))).toEqual([
          "miss",
          "coalesced",
          "coalesced",
          "coalesced"
        ])
        expect(clients.slice(1).map(({ headers }) => headers.get("x-millrace-attempts"))).toEqual(["0", "0", "0"])
        expect(clients.every(({ headers }) => headers.get("x-millrace-provider") === "up")).toBe(true)
        expect(upstream.requests.length - before).toBe(1)
      })
    }
  }
})

describe("clients of the upstream's own dialect", () => {
  it("get its events as they came, and its usage only where they asked for it", async () => {
    const text = prompt()
    for (const asksFirst of [true, false]) {
      const { release, respond } = halved(["a", "b", "c"])
      upstream.respond = (response, request) => {
        const write = response.write.bind(response)
        // A field that Millrace does not know.
        response.write = ((text: string) => write(text.replaceAll('"object"', '"x_field":7,"object"'))) as typeof write
        return respond(response, request)
      }
      const usage = { stream_options: { include_usage: true } }
      const body = (asks: boolean) => ({
        model: "up/m",
        ...user(`${text} ${asksFirst}`),
        stream: true,
        ...(asks ? usage : {})
      })
      const asked = upstream.next()
      const leader = send("/v1/chat/completions", body(asksFirst))
      await asked
      const follower = send("/v1/chat/completions", body(!asksFirst))
      await (
        await follower
      ).began
      release()
      const [one, other] = await Promise.all(
        [leader, follower].map(async (client) => eventsOf(await (await client).text))
      )
      const [withUsage, without] = asksFirst ? [one!, other!] : [other!, one!]
      expect(without.some((each) => each.usage !== undefined && each.usage !== null)).toBe(false)
      expect(withUsage.at(-2)).toMatchObject({ choices: [], usage: { total_tokens: 12 } })
      expect(withUsage.filter((each) => each !== withUsage.at(-2))).toEqual(without)
      expect(without[0]).toMatchObject({ x_field: 7 })
      expect(without.at(-1)).toBe("[DONE]")
    }
  })
})

describe("a client that disconnects", () => {
  it("first leaves the answer to the others; the last one closes the upstream call", async () => {
    const { release, respond } = halved(["one ", "two ", "three"])
    upstream.respond = respond
    const text = prompt()
    const body = { model: "up/m", ...user(text), stream: true }
    const asked = upstream.next()
    const leaves = new AbortController()
    const leader = send("/v1/chat/completions", body, leaves.signal)
    await (
      await leader
    ).began
    await asked
    const follower = await send("/v1/chat/completions", body)
    await follower.began
    leaves.abort()
    await expect((await leader).text).rejects.toThrow()
    await roundTrips()
    release()
    expect(textOf(eventsOf(await follower.text))).toBe("one two three")

    const again = halved(["x", "y"])
    upstream.respond = again.respond
    const next = upstream.next()
    const both = [new AbortController(), new AbortController()]
    const clients = both.map(({ signal }) =>
      send("/v1/chat/completions", { model: "up/m", ...user(`${text} again`), stream: true }, signal)
    )
    const request = await next
    await Promise.all(clients.map(async (client) => (await client).began))
    both[0]!.abort()
    await roundTrips()
    expect((await gateway.status()).providers[0]!.active).toBe(1)
    both[1]!.abort()
    await request.aborted
    expect((await idle(gateway)).providers[0]!.active).toBe(0)
    again.release()
  })
})

describe("a failure", () => {
  it("before the first part is the leader's; a follower asks again for all the others", async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    let calls = 0
    upstream.respond = async (response, request) => {
      if (calls++ > 0) return sendJson(200, chatCompletion("second"))(response, request)
      await released
      return sendJson(500, { error: { message: "It broke." } })(response, request)
    }
    const body = { model: "up/m", ...user(prompt()) }
    const asked = upstream.next()
    const leader = send("/v1/chat/completions", body)
    await asked
    const others = [1, 2, 3].map(() => send("/v1/chat/completions", body))
    await roundTrips()
    release()
    expect((await leader).status).toBe(502)
    const answers = await Promise.all(others)
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    const served = answers.map(({ headers }) => headers.get("x-millrace-cache"))
    expect(served.filter((cache) => cache === "miss").length).toBe(1)
    expect(served.filter((cache) => cache === "coalesced").length).toBe(2)
    expect(calls).toBe(2)
  })

  it("after the first part is everybody's, in the stream and with its status where the answer is whole", async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>()
    upstream.respond = async (response) => {
      response.writeHead(200, eventStream)
      response.write(event(chatChunk({ role: "assistant", content: "begun" })))
      await released
      response.end()
    }
    const body = (stream: boolean) => ({ model: "up/m", ...user("a stream that breaks"), stream })
    const before = upstream.requests.length
    const leader = await send("/v1/chat/completions", body(true))
    await leader.began
    const whole = send("/v1/chat/completions", body(false))
    const follower = await send("/v1/chat/completions", body(true))
    await follower.began
    await roundTrips()
    release()
    for (const client of [leader, follower]) {
      const events = eventsOf(await client.text)
      expect(textOf(events)).toBe("begun")
      expect(events.at(-1)).toMatchObject({ error: {} })
    }
    expect((await whole).status).toBe(502)
    expect(upstream.requests.length - before).toBe(1)
  })
})

describe("the records", () => {
  it("tell one call, one cost and what the others saved", async () => {
    const { release, respond } = halved(["a ", "b"])
    upstream.respond = respond
    const body = { model: "up/m", ...user(prompt()) }
    const metric = async (name: string) =>
      Number(
        new RegExp(`^${name.replaceAll(/[{}]/g, "\\$&")} (.+)$`, "m").exec(
          (await get(`${gateway.url}/metrics`)).text
        )?.[1] ?? 0
      )
    const coalesced = 'ai_cache_hits_total{type="coalesced"}'
    const before = { status: await gateway.status(), coalesced: await metric(coalesced) }
    const asked = upstream.next()
    const leader = send("/v1/chat/completions", body)
    await asked
    const others = [1, 2].map(() => send("/v1/chat/completions", body))
    await roundTrips()
    release()
    const clients = await Promise.all([leader, ...others])
    for (const { headers } of clients.slice(1)) expect(headers.get("x-millrace-cost-usd")).toBe("0")
    expect(clients[0]!.headers.get("x-millrace-cost-usd")).toBe("12")
    const now = await idle(gateway)
    expect(now.cache.coalesced - before.status.cache.coalesced).toBe(2)
    expect(now.totals.costUsd - before.status.totals.costUsd).toBeCloseTo(12)
    expect(now.totals.savedUsd - before.status.totals.savedUsd).toBeCloseTo(24)
    expect((await metric(coalesced)) - before.coalesced).toBe(2)
    const usage = await get(`${gateway.url}/admin/api/usage?groupBy=cache`, { authorization: `Bearer ${adminToken}` })
    expect(usage.json.series.some(({ group }: { group: string }) => group === "coalesced")).toBe(true)
  })
})
