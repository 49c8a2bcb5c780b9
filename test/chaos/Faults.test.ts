/**
 * Chaos, one fault at a time: a provider that fails every call in one way, beside a healthy one. Callers see nothing of
 * what fails before the first part; what fails after it ends the stream in an error, until the circuit opens.
 */
import { afterEach, describe, expect, it } from "vitest"
import { early, midStream, trickle } from "../support/FailingUpstream.ts"
import { callAll, callsOf, countOf, expectSettled, startStorm, type Storm, type StormOptions } from "./Storms.ts"

const count = 200
/** Calls that may be under way when a circuit opens, beside the ten that open it. */
const atOnce = 8

let storm: Storm
afterEach(() => storm.close())

const start = async (options: StormOptions = {}): Promise<void> => {
  storm = await startStorm({ config: { breaker: { minimumCalls: 10, openFor: 3_600_000 } }, ...options })
}

const expectInvisible = async (): Promise<void> => {
  const answers = await callAll(storm, count, { atOnce })
  expect(countOf(storm, answers)).toEqual({ whole: count, broken: 0, refused: 0 })
  expect(callsOf(storm)).toBeLessThanOrEqual(1.2 * count)
  await expectSettled(storm, count)
}

describe("callers see nothing of", () => {
  it.each(Object.entries(early))("%s", async (name, fault) => {
    await start(name.startsWith("stall") ? { patience: 300 } : {})
    storm.bad.fail(fault)
    await expectInvisible()
  })

  it.each([
    ["a name that DNS does not know", () => "http://millrace.invalid"],
    ["a refused connection", () => "http://127.0.0.1:1"],
    ["a failed TLS handshake", (url: string) => url.replace("http:", "https:")]
  ] as const)("%s", async (_, badUrl) => {
    await start({ badUrl })
    await expectInvisible()
    expect(storm.good.calls()).toBe(count)
  })

  it("a slow trickle", async () => {
    await start()
    storm.bad.fail(trickle(storm.bad.text, 5))
    await expectInvisible()
    expect(storm.bad.calls()).toBe(count)
  })
})

describe("a stream ends in a clear error, never in a second answer, after", () => {
  it.each(Object.keys(midStream("")))("%s", async (name) => {
    await start(name.startsWith("stall") ? { patience: 300 } : {})
    storm.bad.fail(midStream(storm.bad.text)[name as keyof ReturnType<typeof midStream>])
    const answers = await callAll(storm, count, { atOnce })
    const { broken, refused, whole } = countOf(storm, answers)
    expect(refused).toBe(0)
    expect(whole + broken).toBe(count)
    expect(broken).toBeGreaterThan(0)
    expect(broken).toBeLessThanOrEqual(10 + atOnce)
    // Answers in JSON have shown nothing yet: they come whole from the other provider.
    expect(
      countOf(
        storm,
        answers.filter((_, index) => index % 2 === 0)
      ).whole
    ).toBe(count / 2)
    expect(callsOf(storm)).toBeLessThanOrEqual(1.2 * count)
    await expectSettled(storm, count)
  })
})
