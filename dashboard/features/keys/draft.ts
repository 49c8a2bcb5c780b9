/**
 * A key's settings as they are typed, and as the admin API takes them.
 *
 * What is typed is handed on even where it makes no sense, so that the API itself says what is wrong with which field.
 * Only metadata that is not JSON can't be sent.
 */
import type { VirtualKey } from "millrace/admin-api"
import { formatInput } from "../../lib/time.ts"
import type { Issue } from "../gateway/failure.ts"

export interface BudgetDraft {
  /** Tells the rows of the form apart. */
  readonly row: number
  readonly usd: string
  readonly tokens: string
  readonly period: string
  readonly timeZone: string
  /** Per cent, with commas between them. */
  readonly warnAt: string
}

export interface KeyDraft {
  readonly name: string
  readonly tenant: string
  /** One pattern a line. */
  readonly models: string
  readonly providers: ReadonlyArray<string>
  readonly requestsPerMinute: string
  readonly tokensPerMinute: string
  readonly concurrent: string
  readonly windowSeconds: string
  readonly budgets: ReadonlyArray<BudgetDraft>
  /** As `datetime-local` has it, in the reader's time zone. */
  readonly expiresAt: string
  readonly metadata: string
  readonly disabled: boolean
}

/** A setting that is absent is left as it is, or not given to a new key. */
export type KeySettings = Readonly<Record<string, unknown>>

export const newDraft: KeyDraft = {
  name: "",
  tenant: "",
  models: "",
  providers: [],
  requestsPerMinute: "",
  tokensPerMinute: "",
  concurrent: "",
  windowSeconds: "",
  budgets: [],
  expiresAt: "",
  metadata: "",
  disabled: false
}

export const newBudget = (budgets: ReadonlyArray<BudgetDraft>): BudgetDraft => ({
  row: Math.max(-1, ...budgets.map(({ row }) => row)) + 1,
  usd: "",
  tokens: "",
  period: "month",
  timeZone: "",
  warnAt: ""
})

/** A key as the form shows it. */
export const draftOf = (key: VirtualKey): KeyDraft => ({
  name: key.name,
  tenant: key.tenant,
  models: (key.models ?? []).join("\n"),
  providers: key.providers ?? [],
  requestsPerMinute: typed(key.rateLimits?.requestsPerMinute),
  tokensPerMinute: typed(key.rateLimits?.tokensPerMinute),
  concurrent: typed(key.rateLimits?.concurrent),
  windowSeconds:
    key.rateLimits?.window === undefined || key.rateLimits.window === 60_000 ? "" : typed(key.rateLimits.window / 1000),
  budgets: (key.budget ?? []).map((budget, row) => ({
    row,
    usd: typed(budget.usd),
    tokens: typed(budget.tokens),
    period: budget.period,
    timeZone: budget.timeZone ?? "",
    warnAt: (budget.warnAt ?? []).map(percent).join(", ")
  })),
  expiresAt: key.expiresAt === null ? "" : formatInput(Date.parse(key.expiresAt)),
  metadata: key.metadata === null ? "" : JSON.stringify(key.metadata, null, 2),
  disabled: key.disabled
})

/** The draft as the body of a request, or what keeps it from being one. */
export const settingsOf = (
  draft: KeyDraft
): { readonly settings: KeySettings; readonly issues: ReadonlyArray<Issue> } => {
  const metadata = metadataOf(draft.metadata)
  return {
    issues:
      metadata === notJson ? [{ field: "metadata", detail: 'expected a JSON object, such as {"team": "search"}' }] : [],
    settings: {
      name: draft.name.trim(),
      tenant: draft.tenant.trim(),
      models: orNull(lines(draft.models)),
      providers: orNull(draft.providers),
      rateLimits: limitsOf(draft),
      budget: orNull(draft.budgets.map(budgetOf)),
      expiresAt: draft.expiresAt === "" ? null : isoTime(draft.expiresAt),
      metadata,
      disabled: draft.disabled
    }
  }
}

/** A new key has the default tenant unless another is named. */
export const creationOf = ({ tenant, ...settings }: KeySettings): KeySettings =>
  tenant === "" ? settings : { tenant, ...settings }

/** The settings that differ. */
export const changesOf = (before: KeySettings, after: KeySettings): KeySettings =>
  Object.fromEntries(
    Object.entries(after).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name]))
  )

/** What the API says about a field, and about what is in it unless another field shows that. */
export const issueAt = (issues: ReadonlyArray<Issue>, field: string): string | null => {
  const found = issues.filter((issue) => issue.field === field || issue.field.startsWith(`${field}[`))
  if (found.length === 0) return null
  return found
    .map((issue) => {
      const index = /\[(\d+)\]$/.exec(issue.field.slice(field.length))?.[1]
      return index === undefined ? issue.detail : `${Number(index) + 1}: ${issue.detail}`
    })
    .join("; ")
}

const shownFields =
  /^(name|tenant|models(\[\d+\])?|providers(\[\d+\])?|rateLimits\.(requestsPerMinute|tokensPerMinute|concurrent|window)|budget\[\d+\](\.(usd|tokens|period|timeZone|warnAt(\[\d+\])?))?|expiresAt|metadata)$/

/** What no field of the form shows. */
export const otherIssues = (issues: ReadonlyArray<Issue>): ReadonlyArray<Issue> =>
  issues.filter(({ field }) => !shownFields.test(field))

const typed = (figure: number | undefined): string => (figure === undefined ? "" : String(figure))

const percent = (share: number): string => String(Number((share * 100).toFixed(6)))

const orNull = <A>(list: ReadonlyArray<A>): ReadonlyArray<A> | null => (list.length === 0 ? null : list)

const lines = (text: string): ReadonlyArray<string> =>
  text
    .split(/[\n,]/)
    .map((line) => line.trim())
    .filter((line) => line !== "")

/** A number where it is one; else the text, for the API to refuse. */
const figureOf = (text: string, scale = (figure: number) => figure): number | string | undefined => {
  const plain = text.trim()
  if (plain === "") return undefined
  const figure = Number(plain)
  return Number.isFinite(figure) ? scale(figure) : plain
}

const limitsOf = ({ requestsPerMinute, tokensPerMinute, concurrent, windowSeconds }: KeyDraft) => {
  const limits = {
    requestsPerMinute: figureOf(requestsPerMinute),
    tokensPerMinute: figureOf(tokensPerMinute),
    concurrent: figureOf(concurrent),
    window: figureOf(windowSeconds, (seconds) => seconds * 1000)
  }
  return Object.values(limits).every((limit) => limit === undefined) ? null : limits
}

const budgetOf = ({ usd, tokens, period, timeZone, warnAt }: BudgetDraft) => ({
  usd: figureOf(usd),
  tokens: figureOf(tokens),
  period,
  timeZone: timeZone.trim() === "" ? undefined : timeZone.trim(),
  warnAt:
    warnAt.trim() === ""
      ? undefined
      : lines(warnAt).map((share) => figureOf(share.replace(/\s*%$/, ""), (perCent) => perCent / 100))
})

const isoTime = (text: string): string => {
  const time = new Date(text)
  return Number.isNaN(time.getTime()) ? text : time.toISOString()
}

const notJson = Symbol("not JSON")

const metadataOf = (text: string): unknown => {
  if (text.trim() === "") return null
  try {
    return JSON.parse(text)
  } catch {
    return notJson
  }
}
