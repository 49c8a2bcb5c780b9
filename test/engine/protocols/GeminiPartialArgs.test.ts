import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { PartialArgs } from "../../../engine/src/protocols/GeminiPartialArgs.ts"

const collected = (...pieces: ReadonlyArray<unknown>): unknown => {
  const args = new PartialArgs(undefined)
  for (const piece of pieces) args.add([piece])
  return JSON.parse(args.json())
}

const at = (jsonPath: string, value: object = {}) => ({ jsonPath, ...value })

describe("PartialArgs", () => {
  it("puts values where their paths lead", () => {
    expect(
      collected(
        at("$.a", { numberValue: 0.5 }),
        at("$.b.c", { boolValue: false }),
        at("$.d[0].e", { stringValue: "x" }),
        at("$.d[1].e", { nullValue: "NULL_VALUE" }),
        at("$['odd key'][\"x\"]", { numberValue: 1 })
      )
    ).toEqual({ a: 0.5, b: { c: false }, d: [{ e: "x" }, { e: null }], "odd key": { x: 1 } })
  })

  it("goes on with a text until it ends", () => {
    expect(
      collected(
        at("$.a", { stringValue: "New", willContinue: true }),
        at("$.a", { stringValue: " Yo", willContinue: true }),
        at("$.a", { stringValue: "rk" }),
        at("$.a")
      )
    ).toEqual({ a: "New York" })
  })

  it("takes pieces without a value for empty lists and objects, or for the end of what is there", () => {
    expect(
      collected(
        at("$.list[]"),
        at("$.object"),
        at("$.later", { willContinue: true }),
        at("$.d[0]", { numberValue: 1 }),
        at("$.d[]")
      )
    ).toEqual({ list: [], object: {}, d: [1] })
  })

  it("begins with arguments that came at once", () => {
    const args = new PartialArgs({ a: { b: 1 } })
    args.add([at("$.a.c", { numberValue: 2 })])
    expect(JSON.parse(args.json())).toEqual({ a: { b: 1, c: 2 } })
  })

  it("leaves out what makes no sense, and touches no prototype", () => {
    expect(
      collected(
        at("$"),
        at("$[0]", { numberValue: 1 }),
        at("$.a[999999]", { numberValue: 1 }),
        at(`$${".x".repeat(100)}`, { numberValue: 1 }),
        at("$.__proto__.polluted", { numberValue: 1 }),
        at("$.a..b", { numberValue: 1 }),
        at("$.s", { stringValue: "x" }),
        at("$.s.t", { numberValue: 1 }),
        null,
        { stringValue: "x" }
      )
    ).toEqual({ s: "x" })
    const args = new PartialArgs({ a: {} })
    args.add([at("$.a.constructor.prototype.polluted", { numberValue: 1 })])
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  it("builds any value from its leaves", () => {
    const leaves = (value: unknown, path: string): ReadonlyArray<object> => {
      if (Array.isArray(value)) {
        return value.length === 0
          ? [at(`${path}[]`)]
          : value.flatMap((item, index) => leaves(item, `${path}[${index}]`))
      }
      if (typeof value === "object" && value !== null) {
        const entries = Object.entries(value)
        return entries.length === 0 ? [at(path)] : entries.flatMap(([key, item]) => leaves(item, `${path}.${key}`))
      }
      if (typeof value === "string") {
        return [
          at(path, { stringValue: value.slice(0, 1), willContinue: true }),
          at(path, { stringValue: value.slice(1) })
        ]
      }
      if (typeof value === "number") return [at(path, { numberValue: value })]
      return [at(path, typeof value === "boolean" ? { boolValue: value } : { nullValue: null })]
    }
    const key = fc.stringMatching(/^[a-z_]{1,8}$/).filter((name) => name !== "__proto__")
    const value = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 3 },
        fc.string(),
        fc.integer(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie("node"), { maxLength: 3 }),
        fc.dictionary(key, tie("node"), { maxKeys: 3 })
      )
    })).node
    fc.assert(
      fc.property(fc.dictionary(key, value, { minKeys: 1, maxKeys: 4 }), (args) => {
        expect(collected(...Object.entries(args).flatMap(([name, item]) => leaves(item, `$.${name}`)))).toEqual(
          JSON.parse(JSON.stringify(args))
        )
      })
    )
  })

  it("never throws, whatever comes", () => {
    const piece = fc.oneof(fc.jsonValue(), fc.record({ jsonPath: fc.string(), stringValue: fc.string() }))
    fc.assert(
      fc.property(fc.array(piece), fc.jsonValue(), (pieces, args) => {
        const partial = new PartialArgs(args)
        partial.add(pieces)
        JSON.parse(partial.json())
      })
    )
  })
})
