/**
 * Chaos over time: storms of faults drawn by lot between calm, an outage of ten minutes in virtual time, and a provider
 * that refuses three calls of ten while there is no other.
 */
import { afterEach, describe, expect, it } from "vitest"
import { ask, type Answer, user } from "../support/client.ts"
import { early, midStream, seeded } from "../support/FailingUpstream.ts"
import { answer, type Respond, sendJson } from "../support/upstream.ts"
import { callAll, callsOf, countOf, endingOf, expectSettled, startStorm, type Storm } from "./Storms.ts"

let storm: Storm
afterEach(() => storm.close())

const { "stall before the headers": _, "stall after the headers": __, ...quick } = early

describe("storms of everything between calm", () => {
  it.each([1, 2, 3])("are invisible before the first part (seed %i)", async (seed) => {
    storm = await startStorm({ seed, config: { breaker: { minimumCalls: 10, openFor: 200 } } })
    const answers: Array<Answer> = []
    for (let round = 0; round < 3; round++) {
      storm.bad.fail()
      answers.push(...(await callAll(storm, 150)))
      storm.bad.fail(Object.values(quick))
      answers.push(...(await callAll(storm, 100)))
    }
    expect(countOf(storm, answers)).toEqual({ whole: 750, broken: 0, refused: 0 })
    expect(callsOf(storm)).toBeLessThanOrEqual(1.2 * 750)
    await expectSettled(storm, 750)
  })

  it("also with streams that break: each is whole or ends in an error", async () => {
    storm = await startStorm({ seed: 4, patience: 2000, config: { breaker: { minimumCalls: 10, openFor: 200 } } })
    const healthy = answer(storm.bad.text)
    storm.bad.fail([
      ...Object.values(quick),
      ...Object.values(midStream(storm.bad.text)),
      ...Array.from({ length: 110 }, (): Respond => healthy)
    ])
    const answers = await callAll(storm, 500)
    const { broken, refused, whole } = countOf(storm, answers)
    expect(refused).toBe(0)
    expect(whole + broken).toBe(500)
    expect(broken).toBeLessThanOrEqual(25)
    expect(callsOf(storm)).toBeLessThanOrEqual(1.2 * 500)
    await expectSettled(storm, 500)
  })
})

describe("an outage of ten minutes", () => {
  it("is invisible, costs a probe each time the circuit half opens, and is over when it is over", async () => {
    storm = await startStorm({ virtual: true })
    const random = seeded(7)
    const down = [quick["503"], quick["502, HTML"], quick["reset before the headers"]]
    const seconds = 900
    let badCalls = 0
    for (let second = 0; second < seconds; second++) {
      const out = second >= 150 && second < 750
      storm.bad.fail(out ? down[Math.floor(random() * down.length)]! : undefined)
      if (second === 750) badCalls = storm.bad.calls()
      const stream = second % 2 === 1
      const found = await ask(storm.gateway.url, user(`question ${second}`, { model: "chain", stream }))
      expect(endingOf(storm, found)).toBe("whole")
      await storm.gateway.later("1 second")
    }
    expect(callsOf(storm)).toBeLessThanOrEqual(1.2 * seconds)
    // It is asked again within `breaker.openFor` of its end, and then always.
    expect(storm.bad.calls() - badCalls).toBeGreaterThanOrEqual(150 - 35)
    await expectSettled(storm, seconds)
  })
})

describe("three 429s in ten with a Retry-After of a second, and no other provider", () => {
  it("cost time but no answer", async () => {
    storm = await startStorm({ virtual: true, config: { retry: { maxAttempts: 10 } } })
    const random = seeded(11)
    const limited = sendJson(429, { error: { message: "Slow down." } }, { "retry-after": "1" })
    const healthy = answer(storm.bad.text)
    // Three of each ten, in an order that is drawn anew each time.
    let ten: Array<Respond> = []
    storm.bad.upstream.respond = (response, request) => {
      if (ten.length === 0) ten = Array.from({ length: 10 }, (_, index) => (index < 3 ? limited : healthy))
      const [respond] = ten.splice(Math.floor(random() * ten.length), 1)
      return respond!(response, request)
    }
    const count = 400
    const calls = callAll(storm, count, { atOnce: 20, model: "bad/m" })
    const answers = await storm.gateway.passUntil(calls)
    expect(countOf(storm, answers)).toEqual({ whole: count, broken: 0, refused: 0 })
    expect(storm.bad.calls()).toBeLessThanOrEqual(1.45 * count)
    await expectSettled(storm, count)
  })
})
