import { Result, Schema } from "effect"
import { describe, expect, it } from "vitest"
import {
  describeIssue,
  describeIssues,
  formatPath,
  locateIssues,
  showType,
  showValue,
  suggest,
  type LocateOptions
} from "../../engine/src/Issues.ts"

const issueOf = (schema: Schema.Decoder<unknown>, input: unknown, reportInput = true) => {
  const decoded = Schema.decodeUnknownResult(schema, { errors: "all", onExcessProperty: "error", reportInput })(input)
  if (Result.isSuccess(decoded)) throw new Error("expected a failure")
  return decoded.failure.issue
}

const lines = (schema: Schema.Decoder<unknown>, input: unknown, options?: LocateOptions) =>
  locateIssues(issueOf(schema, input), options).map(({ path, detail }) => `${formatPath(path)}: ${detail}`)

const Count = Schema.Number.annotate({ expected: "a count" }).check(
  Schema.makeFilter((value) => Number.isInteger(value) && value >= 0, { expected: "a count" })
)

const Shelf = Schema.Struct({
  label: Schema.String,
  books: Schema.Array(Schema.Struct({ title: Schema.String, pages: Schema.optional(Count) })),
  kind: Schema.optional(Schema.Literals(["wood", "steel"])),
  mark: Schema.optional(Schema.Union([Schema.String, Schema.Number]))
})

describe("Issues", () => {
  it("names every wrong field with its path, what is expected and what was got", () => {
    expect(
      lines(Shelf, { label: 5, books: [{ title: "a", pages: -1 }, { pages: "x" }], kind: "glass", mark: true })
    ).toEqual([
      "label: expected a string, got 5",
      "books[0].pages: expected a count, got -1",
      "books[1].title: expected a string, got nothing",
      'books[1].pages: expected a count, got "x"',
      'kind: expected "wood" or "steel", got "glass"',
      "mark: expected a string or a number, got true"
    ])
  })

  it("says the annotated expectation of an optional field of a wholly wrong type", () => {
    expect(lines(Shelf, { label: "", books: [{ title: "a", pages: [] }] })).toEqual([
      "books[0].pages: expected a count, got an empty list"
    ])
  })

  it("suggests the known key that is closest to an unknown one", () => {
    expect(lines(Shelf, { lable: "x", label: "x", books: [] })).toEqual(['lable: unknown key, did you mean "label"?'])
    expect(lines(Shelf, { label: "x", books: [{ Title: "x", title: "x" }] })).toEqual([
      'books[0].Title: unknown key, did you mean "title"?'
    ])
    expect(lines(Shelf, { label: "x", books: [], zzzzzzzz: 1 })).toEqual([
      "zzzzzzzz: unknown key; known here: label, books, kind, mark"
    ])
  })

  it("shows no value when the issue was made without its input", () => {
    const issue = issueOf(Shelf, { label: 5, books: "sk-secret" }, false)
    expect(describeIssues(issue)).toEqual([
      { field: "label", detail: "expected a string" },
      { field: "books", detail: "expected a list" }
    ])
    expect(describeIssue(issue)).toEqual({ field: "label", detail: "expected a string" })
  })

  it("shows what the caller allows instead of a value", () => {
    const hidden = (path: ReadonlyArray<PropertyKey>, value: unknown) =>
      path.at(-1) === "label" ? showType(value) : undefined
    expect(lines(Shelf, { label: 5, books: 6 }, { hidden })).toEqual([
      "label: expected a string, got a number",
      "books: expected a list, got 6"
    ])
  })

  it("reports the fields of the union member that fits, not the union", () => {
    const Shape = Schema.Union([
      Schema.Struct({ type: Schema.Literal("circle"), radius: Schema.Number }),
      Schema.Struct({ type: Schema.Literal("square"), side: Schema.Number })
    ])
    expect(lines(Shape, { type: "square", side: "x" })).toEqual(['side: expected a number, got "x"'])
    expect(lines(Shape, { type: "line" })).toEqual([
      ': expected { type: "circle" } or { type: "square" }, got an object'
    ])
  })

  it("writes paths on one line, with unusual keys quoted", () => {
    expect(formatPath(["messages", 0, "content"])).toBe("messages[0].content")
    expect(formatPath(["aliases", "fast-one", 2])).toBe("aliases.fast-one[2]")
    expect(formatPath(["aliases", "two\nlines"])).toBe('aliases["two\\nlines"]')
    expect(formatPath(["aliases", "x".repeat(200)]).length).toBeLessThan(90)
    expect(formatPath([])).toBe("")
  })

  it("shows short plain values and only the type of the others", () => {
    const shown = [0, -1.5, true, null, undefined, "a\nb", "x".repeat(41), [], [1], {}, 1n, Symbol("x"), () => 1]
    expect(shown.map(showValue)).toEqual([
      "0",
      "-1.5",
      "true",
      "null",
      "nothing",
      '"a\\nb"',
      "a string",
      "an empty list",
      "a list",
      "an object",
      "1n",
      "a symbol",
      "a function"
    ])
  })

  it("suggests across case and separators, and bounds the work for long names", () => {
    expect(suggest("base_url", ["apiKey", "baseUrl"])).toBe(', did you mean "baseUrl"?')
    expect(suggest("ttlMs", ["maxSize", "ttl"])).toBe(', did you mean "ttl"?')
    expect(suggest("x".repeat(1_000_000), ["ttl"])).toBe("; known here: ttl")
    expect(suggest("x", [])).toBe("")
  })
})
