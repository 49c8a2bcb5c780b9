import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { columnNames, type ExportFormat, fileNameOf, headerOf, lineOf } from "../../../engine/src/stores/UsageExport.ts"
import { noonMs, recordOf } from "../../contracts/usage-record.ts"

/** Reads CSV by the rules of RFC 4180, and nothing else. */
const parse = (text: string): Array<Array<string>> => {
  const rows: Array<Array<string>> = []
  let row: Array<string> = []
  let at = 0
  while (at < text.length) {
    let cell = ""
    if (text[at] === '"') {
      for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
        if (text[at] === '"') at++
        cell += text[at]
      }
      at++
    } else while (at < text.length && !",\r".includes(text[at]!)) cell += text[at++]
    row.push(cell)
    if (text[at] === "\r") {
      expect(text[at + 1]).toBe("\n")
      rows.push(row)
      row = []
      at++
    } else expect(text[at]).toBe(",")
    at++
  }
  expect(row).toEqual([])
  return rows
}

const csvOf = (fields: Parameters<typeof recordOf>[0]): { readonly [name: string]: string } => {
  const [names, values, ...rest] = parse(headerOf("csv") + lineOf("csv", recordOf(fields)))
  expect(rest).toEqual([])
  expect(names).toEqual(columnNames)
  expect(values).toHaveLength(columnNames.length)
  return Object.fromEntries(names!.map((name, index) => [name, values![index]!]))
}

describe("CSV", () => {
  it("has a header, a value for each column and nothing for null", () => {
    expect(csvOf({ costUsd: 0.000_000_25, ttftMs: null, metadata: { team: "a,b" } })).toMatchObject({
      id: "req_1",
      time: "2026-11-22T10:00:00.000Z",
      promptTokens: "123",
      uncachedInputTokens: "100",
      completionTokens: "40",
      costUsd: "2.5e-7",
      ttftMs: "",
      keyId: "",
      estimated: "false",
      metadata: '{"team":"a,b"}'
    })
  })

  it("keeps whatever a caller puts into a name, in one cell", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.dictionary(fc.string(), fc.string()), (tenant, metadata) => {
        const row = csvOf({ tenant, metadata, model: `m,"${tenant}"\r\n` })
        expect(row["tenant"]!.replace(/^'(?=[=+\-@\t\r\n＝＋－＠])/, "")).toBe(tenant)
        expect(row["model"]).toBe(`m,"${tenant}"\r\n`)
        expect(JSON.parse(row["metadata"]!)).toEqual(JSON.parse(JSON.stringify(metadata)))
      }),
      { numRuns: 200 }
    )
  })

  it.each([
    "=1+1",
    "+1",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    '=HYPERLINK("http://x","y")',
    "＝1",
    "＋1",
    "－1",
    "＠a"
  ])("%j is no formula for a spreadsheet", (text) => {
    const row = csvOf({ tenant: text, modelRequested: text, errorDetail: text })
    for (const name of ["tenant", "modelRequested", "errorDetail"]) expect(row[name]).toBe(`'${text}`)
    expect(csvOf({ savedUsd: -1 })["savedUsd"]).toBe("-1")
  })
})

describe("NDJSON", () => {
  it("has one object a line, with the columns of CSV and the attempts", () => {
    const attempts = [
      {
        provider: "a",
        model: "m",
        startedAtMs: 1,
        queueMs: 0,
        firstPartAtMs: 2,
        endedAtMs: 3,
        costUsd: null,
        error: null
      }
    ]
    const line = lineOf("ndjson", recordOf({ tenant: "a\nb", metadata: { team: "x" }, attempts }))
    expect(line.indexOf("\n")).toBe(line.length - 1)
    const row = JSON.parse(line) as { readonly [name: string]: unknown }
    expect(Object.keys(row)).toEqual([...columnNames, "attemptDetails"])
    expect(row).toMatchObject({
      tenant: "a\nb",
      attempts: 1,
      costUsd: 0.01,
      metadata: { team: "x" },
      attemptDetails: attempts
    })
    expect(headerOf("ndjson")).toBe("")
  })
})

it.each<ExportFormat>(["csv", "ndjson"])("%s has neither prompt nor answer", (format) => {
  const line = lineOf(format, recordOf({ content: { prompt: "canary prompt", answer: "canary answer" } }))
  expect(line).not.toContain("canary")
})

it("a file is named for its range", () => {
  expect(fileNameOf("csv", noonMs, noonMs + 3_600_000)).toBe("millrace-usage-20261122T100000Z-20261122T110000Z.csv")
})
