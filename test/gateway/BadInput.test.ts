/**
 * What a caller can do wrong: every bad request gets its own error in OpenAI's shape, names what is wrong, repeats nothing
 * of the prompt, reaches no provider, and leaves the server as it was.
 */
import { connect } from "node:net"
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { canaryPrompt } from "../support/canary.ts"
import { type Answer, ask, get, raw, user } from "../support/client.ts"
import { idle, startGateway, type TestGateway } from "../support/gateway.ts"
import { answer, startUpstream, type TestUpstream } from "../support/upstream.ts"

const bodyLimitBytes = 64 * 1024

let upstream: TestUpstream
let gateway: TestGateway
beforeAll(async () => {
  upstream = await startUpstream(answer("Fine."))
  gateway = await startGateway(
    {
      providers: [
        {
          name: "up",
          kind: "openai-compatible",
          baseUrl: `${upstream.url}/v1`,
          model: "gpt-test",
          models: ["gpt-test"]
        }
      ],
      aliases: { fast: ["up/gpt-test"] },
      cache: { enabled: false }
    },
    { bodyLimitBytes }
  )
})
afterAll(async () => {
  await gateway.close()
  await upstream.close()
})

/** After whatever was sent, nothing is left running and the next caller is served. */
afterEach(async () => {
  await idle(gateway)
  const next = await ask(gateway.url, user("Are you there?"))
  expect(next.status).toBe(200)
})

const refused = (
  found: Answer,
  status: number
): { message: string; type: string; param: string | null; code: string | null } => {
  expect(found.status, found.text).toBe(status)
  expect(found.headers.get("content-type")).toBe("application/json")
  expect(found.headers.get("x-millrace-fault")).toBe("caller")
  expect(found.text).not.toContain(canaryPrompt)
  expect(Object.keys(found.json as object)).toEqual(["error"])
  const { error } = found.json as {
    error: { message: string; type: string; param: string | null; code: string | null }
  }
  expect(Object.keys(error).toSorted()).toEqual(["code", "message", "param", "type"])
  expect(error.message).not.toBe("")
  return error
}

const messages = [{ role: "user", content: canaryPrompt }]

describe("a body", () => {
  it.each<[string, string]>([
    ["is empty", ""],
    ["is cut off", `{"messages":[{"role":"user","content":"${canaryPrompt}`],
    ["is a word", canaryPrompt],
    ["has a trailing comma", `{"messages":[{"role":"user","content":"${canaryPrompt}"}],}`],
    ["has single quotes", `{'messages':[{'role':'user','content':'${canaryPrompt}'}]}`],
    ["has NaN", `{"temperature":NaN,"messages":[{"role":"user","content":"${canaryPrompt}"}]}`],
    ["has Infinity", `{"temperature":Infinity,"messages":[{"role":"user","content":"${canaryPrompt}"}]}`],
    ["has two documents", `{"messages":[]}{"messages":[]}`],
    ["is a list", `[{"role":"user","content":"${canaryPrompt}"}]`],
    ["is a text", `"${canaryPrompt}"`],
    ["is null", "null"],
    ["is a number", "42"]
  ])("that %s is no JSON object", async (_, body) => {
    expect(refused(await ask(gateway.url, body), 400).message).toMatch(/^the body is (empty|not)/)
  })

  it("that is no UTF-8 is refused, not read with replacement characters", async () => {
    const bytes = Buffer.from(`{"messages":[{"role":"user","content":"x"}]}`)
    bytes[bytes.indexOf("x")] = 0xff
    expect(refused(await ask(gateway.url, bytes), 400).message).toContain("UTF-8")
  })

  it("may be nested 64 levels deep and no deeper, brackets in texts not counted", async () => {
    const nested = (levels: number) =>
      `{"messages":[{"role":"user","content":"${"[".repeat(100)}"}],"x":${"[".repeat(levels)}${"]".repeat(levels)}}`
    expect((await ask(gateway.url, nested(63))).status).toBe(200)
    expect(refused(await ask(gateway.url, nested(64)), 400).message).toContain("64 levels")
    expect(refused(await ask(gateway.url, "[".repeat(60_000)), 400).message).toContain("64 levels")
  })

  it("may hold many numbers, and no more objects than can be checked in passing", async () => {
    const large = await startGateway({ providers: [{ name: "simulated", simulated: { latency: 0 } }] })
    const holding = (values: string) => `{"messages":[{"role":"user","content":"x"}],"x":[${values}]}`
    const many = (value: string, count: number) => holding(Array<string>(count).fill(value).join(","))
    expect((await ask(large.url, many("12345", 300_000))).status).toBe(200)
    expect((await ask(large.url, many('",{[\\""', 300_000))).status).toBe(200)
    expect(refused(await ask(large.url, many("1", 400_001)), 400).message).toContain("400000 values")
    expect(refused(await ask(large.url, many("{}", 50_001)), 400).message).toContain("50000 objects")
    await large.close()
  })

  it("with __proto__ and other names of Object's own pollutes nothing", async () => {
    const body = `{"__proto__":{"stream":true,"polluted":1},"constructor":{"prototype":{"polluted":1}},"messages":[{"role":"user","content":"x","__proto__":{"role":"system"}}],"tools":[{"type":"function","function":{"name":"f","parameters":{"__proto__":{"polluted":1}}}}],"logit_bias":{"__proto__":5}}`
    const found = await ask(gateway.url, body)
    expect(found.status).toBe(200)
    expect(found.headers.get("content-type")).toBe("application/json")
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
    const sent = upstream.requests.at(-1)!.json
    expect(sent["messages"][0].role).toBe("user")
    expect(Object.hasOwn(sent["tools"][0].function.parameters, "__proto__")).toBe(true)
  })

  it.each<[string, string, unknown]>([
    ["model", "a number", { messages, model: 5 }],
    ["model", "empty", { messages, model: "" }],
    ["model", "too long", { messages, model: "m".repeat(300) }],
    ["messages", "missing", {}],
    ["messages", "empty", { messages: [] }],
    ["messages", "a text", { messages: canaryPrompt }],
    ["messages[0]", "null", { messages: [null] }],
    ["messages[0]", "without a role", { messages: [{ content: canaryPrompt }] }],
    ["messages[0]", "of an unknown role", { messages: [{ role: "narrator", content: canaryPrompt }] }],
    ["messages[0].content", "missing", { messages: [{ role: "user" }] }],
    ["messages[0].content", "a number", { messages: [{ role: "user", content: 5 }] }],
    ["messages[0].content[0]", "of an unknown type", { messages: [{ role: "user", content: [{ type: "smell" }] }] }],
    ["messages[0].content[0].text", "missing", { messages: [{ role: "user", content: [{ type: "text" }] }] }],
    ["messages[1].tool_call_id", "missing", { messages: [...messages, { role: "tool", content: "x" }] }],
    ["temperature", "a text", { messages, temperature: "0.5" }],
    ["temperature", "NaN as a text", { messages, temperature: "NaN" }],
    ["temperature", "negative", { messages, temperature: -1 }],
    ["temperature", "too high", { messages, temperature: 2.1 }],
    ["top_p", "too high", { messages, top_p: 1.1 }],
    ["max_tokens", "negative", { messages, max_tokens: -5 }],
    ["max_tokens", "0", { messages, max_tokens: 0 }],
    ["max_tokens", "a fraction", { messages, max_tokens: 1.5 }],
    ["max_completion_tokens", "a text", { messages, max_completion_tokens: "10" }],
    ["n", "0", { messages, n: 0 }],
    ["stop", "a number", { messages, stop: 5 }],
    ["stop[1]", "a number", { messages, stop: ["a", 5] }],
    ["seed", "a fraction", { messages, seed: 1.5 }],
    ["stream", "a text", { messages, stream: "yes" }],
    ["stream_options", "a number", { messages, stream: true, stream_options: 5 }],
    ["stream_options.include_usage", "a number", { messages, stream: true, stream_options: { include_usage: 1 } }],
    ["presence_penalty", "too high", { messages, presence_penalty: 3 }],
    ["frequency_penalty", "too low", { messages, frequency_penalty: -3 }],
    ["logit_bias", "a list", { messages, logit_bias: [] }],
    ["logprobs", "a number", { messages, logprobs: 1 }],
    ["top_logprobs", "too high", { messages, top_logprobs: 21 }],
    ["tools", "an object", { messages, tools: {} }],
    ["tools[0].function.name", "empty", { messages, tools: [{ type: "function", function: { name: "" } }] }],
    ["tool_choice", "unknown", { messages, tool_choice: "sometimes" }],
    ["response_format", "of an unknown type", { messages, response_format: { type: "xml" } }],
    ["response_format.json_schema", "missing", { messages, response_format: { type: "json_schema" } }],
    ["reasoning_effort", "unknown", { messages, reasoning_effort: "heroic" }],
    ["user", "a number", { messages, user: 5 }]
  ])("with %s %s is an error of that field", async (field, _, body) => {
    const error = refused(await ask(gateway.url, body), 400)
    expect(error).toMatchObject({ type: "invalid_request_error", param: field })
    expect(error.message).toMatch(new RegExp(`^${field.replaceAll(/[[\].]/g, "\\$&")}: `))
  })

  it("with null for optional fields is as if they were absent", async () => {
    const fields = ["temperature", "top_p", "max_tokens", "stop", "seed", "tools", "response_format", "stream", "n"]
    const found = await ask(gateway.url, { messages, ...Object.fromEntries(fields.map((field) => [field, null])) })
    expect(found.status).toBe(200)
  })
})

describe("a model", () => {
  it.each(["nope", "up/nope", "nobody/gpt-test", "__proto__", "constructor", "fast/x", "/", "up/"])(
    "%s that nobody serves is 404 and named",
    async (model) => {
      const error = refused(await ask(gateway.url, { messages, model }), 404)
      expect(error).toMatchObject({ code: "model_not_found" })
      expect(error.message).toContain(JSON.stringify(model))
    }
  )

  it.each(["gpt-test", "up/gpt-test", "fast"])("%s is served", async (model) => {
    expect((await ask(gateway.url, { messages, model })).status).toBe(200)
    expect(upstream.requests.at(-1)!.json["model"]).toBe("gpt-test")
  })
})

describe("a body's type and encoding", () => {
  it.each([
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonx",
    ""
  ])("of %j is 415", async (type) => {
    expect(refused(await ask(gateway.url, { messages }, { headers: { "content-type": type } }), 415).message).toContain(
      "content-type"
    )
  })

  it.each(["application/json", "Application/JSON; charset=utf-8", "application/problem+json"])(
    "of %j is read",
    async (type) => {
      expect((await ask(gateway.url, { messages }, { headers: { "content-type": type } })).status).toBe(200)
    }
  )

  it.each(["zstd", "compress", "gzip, gzip", "constructor", "__proto__", "x"])("in %j is 415", async (encoding) => {
    const found = await ask(gateway.url, { messages }, { headers: { "content-encoding": encoding } })
    expect(refused(found, 415).message).toContain("content-encoding")
  })

  const packed = Buffer.from(JSON.stringify({ messages }))
  it.each<[string, Buffer]>([
    ["gzip", gzipSync(packed)],
    ["GZIP", gzipSync(packed)],
    ["deflate", deflateSync(packed)],
    ["br", brotliCompressSync(packed)],
    ["identity", packed]
  ])("%s is unpacked", async (encoding, body) => {
    expect((await ask(gateway.url, body, { headers: { "content-encoding": encoding } })).status).toBe(200)
  })

  it("that does not unpack is 400", async () => {
    const found = await ask(gateway.url, { messages }, { headers: { "content-encoding": "gzip" } })
    expect(refused(found, 400).message).toContain("gzip")
  })

  it.each<[string, (bytes: Buffer) => Buffer]>([
    ["gzip", gzipSync],
    ["deflate", deflateSync],
    ["br", brotliCompressSync]
  ])("a %s bomb is 413 and stops at the limit", async (encoding, compress) => {
    const bomb = compress(Buffer.alloc(50_000_000, 0x20))
    expect(bomb.length).toBeLessThan(bodyLimitBytes)
    const found = await ask(gateway.url, bomb, { headers: { "content-encoding": encoding } })
    expect(refused(found, 413).message).toContain(String(bodyLimitBytes))
  })
})

describe("a body over the limit", () => {
  it("is refused by its announced length, before it is sent", async () => {
    const head = [
      "POST /v1/chat/completions HTTP/1.1",
      "host: x",
      "content-type: application/json",
      "content-length: 65537"
    ]
    const received = await exchange(`${head.join("\r\n")}\r\n\r\n`, (text) => text.includes("\r\n\r\n{"))
    expect(received).toMatch(/^HTTP\/1\.1 413 /)
  })

  it("is refused when it comes in chunks", async () => {
    const body = new ReadableStream({
      start: (controller) => {
        for (let i = 0; i < 40; i++) controller.enqueue(new Uint8Array(4096).fill(0x20))
        controller.close()
      }
    })
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
      duplex: "half"
    } as RequestInit)
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ error: { type: "invalid_request_error" } })
  })

  it("of exactly the limit is read", async () => {
    const text = JSON.stringify(user(""))
    const body = JSON.stringify(user("x".repeat(bodyLimitBytes - text.length)))
    expect((await ask(gateway.url, body)).status).toBe(200)
    expect((await ask(gateway.url, `${body} `)).status).toBe(413)
  })
})

describe("headers", () => {
  it.each<[string, string]>([
    ["x-millrace-cache", "sometimes"],
    ["x-millrace-cache", ""],
    ["x-millrace-cache-ttl", "-1"],
    ["x-millrace-cache-ttl", "0"],
    ["x-millrace-cache-ttl", "1e3"],
    ["x-millrace-cache-ttl", "NaN"],
    ["x-millrace-cache-namespace", ""],
    ["x-millrace-cache-namespace", "n".repeat(300)],
    ["x-millrace-priority", "10"],
    ["x-millrace-priority", "-1"],
    ["x-millrace-priority", "urgent"],
    ["x-millrace-timeout", "soon"],
    ["x-millrace-timeout", "-5"],
    ["x-millrace-timeout", "Infinity"],
    ["x-millrace-tenant", ""],
    ["x-millrace-metadata", "not json"],
    ["x-millrace-metadata", "[1]"],
    ["x-millrace-metadata", "null"],
    ["x-millrace-cahce", "bypass"]
  ])("%s: %j is a 400 that names it", async (name, value) => {
    const error = refused(await ask(gateway.url, { messages }, { headers: { [name]: value } }), 400)
    expect(error.param).toBe(name)
    expect(error.message).toContain(name)
  })

  it.each<[string, string]>([
    ["x-millrace-cache", "bypass"],
    ["x-millrace-cache-ttl", "1500.5"],
    ["x-millrace-cache-namespace", "docs"],
    ["x-millrace-priority", "batch"],
    ["x-millrace-priority", "9"],
    ["x-millrace-timeout", "999999999999"],
    ["x-millrace-tenant", "acme"],
    ["x-millrace-metadata", `{"a":1}`],
    ["traceparent", "nonsense"],
    ["authorization", "Bearer whatever"],
    ["x-api-key", "whatever"],
    ["x-goog-api-key", "whatever"]
  ])("%s: %j is taken", async (name, value) => {
    expect((await ask(gateway.url, { messages }, { headers: { [name]: value } })).status).toBe(200)
  })

  it("of the caller stay here: no provider sees them", async () => {
    const headers = {
      authorization: "Bearer caller-key",
      "x-api-key": "caller-key",
      cookie: "a=b",
      "x-millrace-tenant": "acme"
    }
    expect((await ask(gateway.url, { messages }, { headers })).status).toBe(200)
    const sent = upstream.requests.at(-1)!.headers
    expect(JSON.stringify(sent)).not.toMatch(/caller-key|acme|a=b/)
  })

  it("that come twice are 400", async () => {
    const twice = ["x-millrace-tenant: a", "x-millrace-tenant: b", "connection: close"]
    const received = await raw(gateway.port, request(JSON.stringify({ messages }), twice))
    expect(received).toMatch(/^HTTP\/1\.1 400 /)
    expect(received).toContain("x-millrace-tenant: came more than once")
  })

  it("over 16 kB are 431", async () => {
    const received = await raw(gateway.port, request("{}", [`x-large: ${"x".repeat(20_000)}`]))
    expect(received).toMatch(/^HTTP\/1\.1 431 /)
    expect(received).toContain(`"type":"invalid_request_error"`)
  })
})

describe("bytes that are no valid HTTP", () => {
  const body = JSON.stringify({ messages })
  it.each<[string, string]>([
    ["garbage", "\u0000\u0001\u0002 garbage\r\n\r\n"],
    ["a TLS hello", "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003"],
    ["an unknown version", "GET / HTTP/9.9\r\nhost: x\r\n\r\n"],
    ["no host", "GET /health/live HTTP/1.1\r\n\r\n"],
    ["a header without a colon", "GET / HTTP/1.1\r\nhost: x\r\nnonsense\r\n\r\n"],
    ["a folded header", "GET / HTTP/1.1\r\nhost: x\r\na: b\r\n c\r\n\r\n"],
    ["a length and chunks", request(body, ["transfer-encoding: chunked"])],
    ["two lengths", request(body, ["content-length: 5"])],
    ["a negative length", "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n"],
    ["a length that is no number", "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1x\r\n\r\n"],
    ["an encoding that only ends like chunked", chunked("5\r\nhello\r\n0\r\n\r\n", "xchunked")],
    ["chunked not last", chunked("5\r\nhello\r\n0\r\n\r\n", "chunked, gzip")],
    ["a chunk size that is no number", chunked("zz\r\nhello\r\n0\r\n\r\n")],
    ["a chunk longer than said", chunked("2\r\nhello\r\n0\r\n\r\n")]
  ])("%s: 400 and a closed connection", async (_, bytes) => {
    const before = upstream.requests.length
    const received = await raw(gateway.port, Buffer.from(bytes, "latin1"))
    expect(received).toMatch(/^HTTP\/1\.1 400 /)
    expect(upstream.requests.length).toBe(before)
  })

  it("after a valid request don't get into its answer", async () => {
    const received = await raw(gateway.port, `${request(body, [])}\u0000garbage\r\n\r\n`)
    expect(received.match(/HTTP\/1\.1 /g)!.length).toBeLessThanOrEqual(2)
    expect(received).toMatch(/HTTP\/1\.1 400 /)
  })
})

describe("a path and a method", () => {
  it.each(["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])("%s on chat completions is 405 with Allow", async (method) => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, { method })
    expect(response.status).toBe(405)
    expect(response.headers.get("allow")).toBe("POST")
    expect(await response.json()).toMatchObject({
      error: { type: "invalid_request_error", code: "method_not_allowed" }
    })
  })

  it.each(["/v1/models", "/health/live", "/health/ready", "/metrics"])(
    "POST %s is 405, GET and HEAD are answered",
    async (path) => {
      expect((await fetch(`${gateway.url}${path}`, { method: "POST", body: "x" })).status).toBe(405)
      expect((await get(`${gateway.url}${path}`)).status).toBe(200)
      const head = await fetch(`${gateway.url}${path}`, { method: "HEAD" })
      expect([head.status, await head.text()]).toEqual([200, ""])
    }
  )

  it.each([
    "/v1/chat/completions/",
    "/v1/chat/completion",
    "/v1",
    "//v1/chat/completions",
    "/v1/../v1/chat",
    "/v1/%63hat/completions",
    "/constructor",
    "/__proto__"
  ])("POST %s is 404 in OpenAI's shape", async (path) => {
    const received = await raw(gateway.port, request("{}", ["connection: close"], path))
    expect(received).toMatch(/^HTTP\/1\.1 404 /)
    expect(received).toContain(`"code":"not_found"`)
  })

  it("a model that is not there is 404 in the shape of who asks", async () => {
    expect(refused(await get(`${gateway.url}/v1/models/up%2Fnope`), 404).code).toBe("model_not_found")
    const found = await get(`${gateway.url}/v1/models/up%2Fnope`, { "anthropic-version": "2023-06-01" })
    expect(found.json).toMatchObject({ type: "error", error: { type: "not_found_error" } })
    expect((await get(`${gateway.url}/v1/models/%E0%A4%A`)).status).toBe(404)
  })
})

describe("a slow caller", () => {
  it("whose body comes in pieces is answered when it is there", async () => {
    const bytes = request(JSON.stringify({ messages }), ["connection: close"])
    const received = await pieces([bytes.slice(0, 40), bytes.slice(40, -30), bytes.slice(-30)])
    expect(received).toMatch(/^HTTP\/1\.1 200 /)
  })

  it("who leaves in the middle of its body leaves nothing behind", async () => {
    const before = upstream.requests.length
    const bytes = request(JSON.stringify({ messages }), [])
    await new Promise<void>((resolve) => {
      const socket = connect(gateway.port, "127.0.0.1", () => socket.write(bytes.slice(0, -20), () => socket.destroy()))
      socket.once("close", () => resolve())
    })
    expect((await ask(gateway.url, { messages })).status).toBe(200)
    expect(upstream.requests.length).toBe(before + 1)
  })

  it("who sends two requests at once gets two answers in their order", async () => {
    const first = request(JSON.stringify({ messages, n: 0 }), [])
    const second = request(JSON.stringify({ messages }), ["connection: close"])
    const received = await raw(gateway.port, first + second)
    expect(received.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 400", "HTTP/1.1 200"])
  })
})

/** A request as bytes. */
function request(body: string, headers: ReadonlyArray<string>, path = "/v1/chat/completions"): string {
  const head = [
    `POST ${path} HTTP/1.1`,
    "host: x",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    ...headers
  ]
  return `${head.join("\r\n")}\r\n\r\n${body}`
}

function chunked(body: string, encoding = "chunked"): string {
  const head = [
    "POST /v1/chat/completions HTTP/1.1",
    "host: x",
    "content-type: application/json",
    `transfer-encoding: ${encoding}`
  ]
  return `${head.join("\r\n")}\r\n\r\n${body}`
}

/** Sends bytes and reads until there is enough, then hangs up. */
const exchange = (bytes: string, enough: (received: string) => boolean): Promise<string> =>
  new Promise((resolve, reject) => {
    let received = ""
    const socket = connect(gateway.port, "127.0.0.1", () => socket.write(bytes))
    socket.setEncoding("latin1")
    socket.on("data", (chunk: string) => {
      received += chunk
      if (enough(received)) socket.destroy()
    })
    socket.once("error", reject)
    socket.once("close", () => resolve(received))
  })

/** Sends pieces, each after the one before has left, and reads to the end. */
const pieces = (parts: ReadonlyArray<string>): Promise<string> =>
  new Promise((resolve, reject) => {
    let received = ""
    const send = (index: number) => {
      if (index < parts.length) socket.write(parts[index]!, () => setImmediate(send, index + 1))
    }
    const socket = connect({ port: gateway.port, host: "127.0.0.1", noDelay: true }, () => send(0))
    socket.setEncoding("latin1")
    socket.on("data", (chunk: string) => (received += chunk))
    socket.once("error", reject)
    socket.once("close", () => resolve(received))
  })
