/** Budgets in words: amounts by their unit, periods, what will become of them, and the requests that were charged. */
import type { BudgetStatus, KeyBudgetAnswer } from "millrace/admin-api"
import type { Tone } from "@/components/ui/badge"
import type { Range } from "@/features/usage/range"
import { requestsHref } from "@/features/requests/link"
import { count, text, usd, type Quantity } from "@/lib/format"
import { formatDayTime } from "@/lib/time"

export type Scope = BudgetStatus["scope"]

export const scopeLabels: Record<Scope, string> = {
  global: "Everything",
  tenant: "Tenant",
  key: "Key",
  model: "Model",
  provider: "Provider"
}

export const periodLabels: Record<BudgetStatus["period"], string> = {
  minute: "a minute",
  hour: "an hour",
  day: "a day",
  month: "a month",
  total: "in total"
}

export const stateLabels: Record<BudgetStatus["state"], string> = {
  ok: "Within",
  warned: "Warned",
  exhausted: "Exhausted"
}

export const stateTones: Record<BudgetStatus["state"], Tone> = { ok: "neutral", warned: "warn", exhausted: "bad" }

/** Dollars or tokens. */
export const amount = (unit: BudgetStatus["unit"], figure: number): Quantity =>
  unit === "usd" ? usd(figure) : { value: text(count(figure)), unit: "tokens" }

/** `$3.20 of $10.00 a month` */
export const spentText = ({ unit, spent, limit, period }: BudgetStatus): string =>
  `${unit === "usd" ? text(usd(spent)) : text(count(spent))} of ${text(amount(unit, limit))} ${periodLabels[period]}`

/** What a key's setting allows: `$10.00 a month`, `$1.00 and 5,000 tokens a day`. */
export const settingText = ({ usd: dollars, tokens, period }: typeof KeyBudgetAnswer.Type): string =>
  [
    ...(dollars === undefined ? [] : [text(amount("usd", dollars))]),
    ...(tokens === undefined ? [] : [text(amount("tokens", tokens))])
  ].join(" and ") + ` ${periodLabels[period]}`

/** When all is spent at the rate so far; no end in sight is one after the reset, or one that can't be told yet. */
export const forecastText = ({ state, exhaustedAt }: BudgetStatus): string =>
  state === "exhausted"
    ? "Spent"
    : exhaustedAt === null
      ? "No end in sight"
      : `Spent by ${formatDayTime(Date.parse(exhaustedAt))}`

/** The forecast and the reset in one line. */
export const outlookText = (account: BudgetStatus): string =>
  account.resetsAt === null
    ? forecastText(account)
    : `${forecastText(account)}, resets ${formatDayTime(Date.parse(account.resetsAt))}`

/** Names an account of all instances; a budget of dollars and tokens is two of them. */
export const accountId = ({ budget, scope, of, unit }: BudgetStatus): string =>
  [scope, budget, of ?? "", unit].join(" ")

const rangeOf: Record<BudgetStatus["period"], Range> = {
  minute: "15m",
  hour: "1h",
  day: "24h",
  month: "30d",
  total: "30d"
}

/** The requests behind an account, as far as the list of requests can be narrowed to them. */
export const requestsOf = ({ scope, of, period }: BudgetStatus): string =>
  requestsHref({ range: rangeOf[period], ...(of === null || scope === "global" ? {} : { [scope]: of }) })
