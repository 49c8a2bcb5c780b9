/**
 * The gateway between its sockets: connections to providers are used again, a slow reader slows the provider down and gets
 * everything, and a caller who reads or sends for ever is cut off.
 */
import { type IncomingMessage, request, type ServerResponse } from "node:http"
import { connect } from "node:net"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { ask, user } from "../support/client.ts"
import { idle, startGateway, type TestGateway } from "../support/gateway.ts"
import {
  answer,
  chatChunk,
  chatEvents,
  done,
  event,
  eventStream,
  sendJson,
  startUpstream,
  type TestUpstream
} from "../support/upstream.ts"

let upstream: TestUpstream
let gateway: TestGateway
beforeAll(async () => {
  upstream = await startUpstream()
  gateway = await startGateway(
    {
      providers: [{ name: "up", kind: "openai-compatible", baseUrl: upstream.url, model: "m" }],
      cache: { enabled: false },
      retry: { maxAttempts: 1 }
    },
    { virtual: true, bodyLimitBytes: 1000 }
  )
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})
afterEach(async () => {
  await idle(gateway)
  upstream.respond = answer("Fine.")
})

describe("connections to a provider", () => {
  it("are used again, after whole answers, streams and errors alike", async () => {
    for (let i = 0; i < 12; i++) {
      upstream.respond = i % 3 === 2 ? sendJson(400, { error: { message: "no" } }) : answer("Fine.")
      const { status } = await ask(gateway.url, user(`Call ${i}`, { stream: i % 3 === 1 }))
      expect(status).toBe(i % 3 === 2 ? 400 : 200)
    }
    expect(upstream.requests.length).toBe(12)
    expect(upstream.connections()).toBe(1)
  })

  it("are used again after a stream whose connection stays open behind its end", async () => {
    const before = upstream.connections()
    for (let i = 0; i < 3; i++) {
      let end = (): void => undefined
      upstream.respond = (response) => {
        response.writeHead(200, eventStream)
        response.write(chatEvents(["Fine."]).join(""))
        end = () => void response.end()
      }
      await ask(gateway.url, user(`Late end ${i}`, { stream: true }))
      end()
      await turns(50)
    }
    expect(upstream.connections() - before).toBeLessThanOrEqual(1)
  })

  it("are closed when the provider does not end its answer", async () => {
    upstream.respond = (response) => {
      response.writeHead(200, eventStream)
      response.write(chatEvents(["Fine."]).join(""))
    }
    const { text } = await ask(gateway.url, user("No end", { stream: true }))
    expect(text.endsWith(done)).toBe(true)
    await idle(gateway)
    await gateway.later("2 seconds")
    await upstream.requests.at(-1)!.aborted
  })
})

/** Gives everything in this process so many turns of the event loop. */
const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => void response.once("drain", () => resolve()))

const piece = event(chatChunk({ content: "x".repeat(100_000) }))
const pieces = 200

describe("a slow reader", () => {
  /** Sends a large stream as fast as it is taken; tells how much has been taken. */
  const large = () => {
    const sent = { pieces: 0 }
    upstream.respond = async (response) => {
      response.writeHead(200, eventStream)
      for (; sent.pieces < pieces && !response.destroyed; sent.pieces++) {
        if (!response.write(piece)) await Promise.race([drained(response), upstream.requests.at(-1)!.aborted])
      }
      response.end(event(chatChunk({}, "stop")) + done)
    }
    return sent
  }

  const open = (): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const call = request(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" }
      })
      call.once("response", resolve)
      call.once("error", reject)
      call.end(JSON.stringify(user("Tell me everything", { stream: true })))
    })

  it("holds the provider back, and gets everything when it reads on", async () => {
    const sent = large()
    const response = await open()
    response.pause()
    let before = -1
    while (before !== sent.pieces) {
      before = sent.pieces
      await turns(200)
    }
    expect(sent.pieces).toBeLessThan(pieces)
    let text = ""
    let reads = 0
    for await (const chunk of response.setEncoding("utf8")) {
      text += chunk as string
      if (++reads % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(text.split("x".repeat(100_000)).length).toBe(pieces + 1)
    expect(text.endsWith(done)).toBe(true)
  })

  it("that reads nothing for five minutes is cut off, and the provider with it", async () => {
    large()
    const response = await open()
    response.pause()
    const closed = new Promise((resolve) => response.once("close", resolve))
    const { aborted } = upstream.requests.at(-1)!
    await gateway.passUntil(aborted)
    response.resume()
    response.on("error", () => undefined)
    await closed
    expect(response.complete).toBe(false)
  })
})

describe("a caller who sends for ever", () => {
  it("after its body was refused is cut off", async () => {
    const socket = connect(gateway.port, "127.0.0.1")
    socket.on("error", () => undefined)
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
    const answered = new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(chunk.toString())))
    socket.write(
      "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    const timer = setInterval(() => socket.write(`200\r\n${" ".repeat(512)}\r\n`), 5)
    expect(await answered).toMatch(/^HTTP\/1\.1 413 /)
    await gateway.passUntil(closed)
    clearInterval(timer)
  })
})
