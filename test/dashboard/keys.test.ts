import fc from "fast-check"
import { describe, expect, it } from "vitest"
import {
  changesOf,
  creationOf,
  draftOf,
  issueAt,
  newBudget,
  newDraft,
  otherIssues,
  settingsOf
} from "../../dashboard/features/keys/draft.ts"
import { csvOf } from "../../dashboard/lib/csv.ts"

const key = {
  id: "key_1",
  name: "search",
  tenant: "acme",
  status: "active" as const,
  disabled: false,
  models: ["openai/*", "fast"],
  providers: ["openai"],
  rateLimits: { requestsPerMinute: 60, concurrent: 4, window: 30_000 },
  budget: [{ usd: 0.1, tokens: 5000, period: "day" as const, timeZone: "Europe/Berlin", warnAt: [0.55, 0.9] }],
  metadata: { team: "search" },
  expiresAt: "2099-06-01T10:30:00.000Z",
  createdAt: "2026-11-22T00:00:00.000Z",
  updatedAt: "2026-11-22T00:00:00.000Z",
  lastUsedAt: null,
  last4: "abcd",
  secrets: []
}

describe("settings of a key", () => {
  it("are the same after they were shown in the form", () => {
    const { issues, settings } = settingsOf(draftOf(key))
    expect(issues).toEqual([])
    const { name, tenant, models, providers, rateLimits, budget, metadata, expiresAt, disabled } = key
    expect(JSON.parse(JSON.stringify(settings))).toEqual({
      name,
      tenant,
      models,
      providers,
      rateLimits,
      budget,
      metadata,
      expiresAt,
      disabled
    })
  })

  it("are sent only where they differ, and null takes away", () => {
    const before = settingsOf(draftOf(key)).settings
    expect(changesOf(before, before)).toEqual({})
    const after = settingsOf({ ...draftOf(key), models: "", budgets: [], name: " other " }).settings
    expect(changesOf(before, after)).toEqual({ name: "other", models: null, budget: null })
  })

  it("leave a tenant that is not named to the gateway", () => {
    const { settings } = settingsOf({ ...newDraft, name: "a" })
    expect(creationOf(settings)).not.toHaveProperty("tenant")
    expect(creationOf(settingsOf({ ...newDraft, tenant: " acme " }).settings)).toHaveProperty("tenant", "acme")
  })

  it("hand on what is no number, for the API to refuse", () => {
    const budget = { ...newBudget([]), usd: "ten", warnAt: "half, 90 %" }
    const { settings } = settingsOf({ ...newDraft, requestsPerMinute: "many", budgets: [budget] })
    expect(settings).toMatchObject({
      rateLimits: { requestsPerMinute: "many" },
      budget: [{ usd: "ten", warnAt: ["half", 0.9] }]
    })
  })

  it("are not sent with metadata that is not JSON", () => {
    expect(settingsOf({ ...newDraft, metadata: "{team" }).issues.map(({ field }) => field)).toEqual(["metadata"])
  })
})

describe("issues of the API", () => {
  const issues = [
    { field: "models[1]", detail: "expected 1 to 256 characters" },
    { field: "budget[0]", detail: "expected a budget with usd or tokens" },
    { field: "budget[0].warnAt[1]", detail: "expected a share" },
    { field: "rateLimits.window", detail: "expected milliseconds" },
    { field: "surprise", detail: "unknown key" }
  ]

  it("are said at their field, with the place in a list", () => {
    expect(issueAt(issues, "models")).toBe("2: expected 1 to 256 characters")
    expect(issueAt(issues, "budget[0].warnAt")).toBe("2: expected a share")
    expect(issueAt(issues, "rateLimits.window")).toBe("expected milliseconds")
    expect(issueAt(issues, "name")).toBe(null)
  })

  it("are never lost: those without a field are told apart", () => {
    expect(otherIssues(issues)).toEqual([{ field: "surprise", detail: "unknown key" }])
  })
})

describe("CSV", () => {
  it("quotes what needs it, leaves gaps empty, and makes no formula", () => {
    const columns = [
      { header: "a", value: (row: { a: string | number | null }) => row.a },
      { header: "b", value: () => "x" }
    ]
    expect(
      csvOf(columns, [{ a: 'say "hi", twice' }, { a: null }, { a: -1.5 }, { a: "=1+1" }, { a: "two\nlines" }])
    ).toBe('a,b\r\n"say ""hi"", twice",x\r\n,x\r\n-1.5,x\r\n\'=1+1,x\r\n"two\nlines",x\r\n')
  })

  it("never lets a cell begin as a formula", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const [, line = ""] = csvOf([{ header: "h", value: (row: string) => row }], [text]).split("\r\n")
        expect(line).not.toMatch(/^"?[=+\-@\t]/)
      })
    )
  })
})
