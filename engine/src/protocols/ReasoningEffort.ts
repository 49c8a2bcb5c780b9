/**
 * What a budget of reasoning tokens is as an effort, for providers that know no budget.
 *
 * Google maps OpenAI's efforts to budgets at its compatible endpoint: low 1,024, medium 8,192, high 24,576. A budget is the
 * least of these efforts that it fits in, and high above. Source: ai.google.dev, "OpenAI compatibility".
 */
import type { Request } from "../Request.ts"

type Reasoning = NonNullable<Request["reasoning"]>

export const effortBudgets = { low: 1024, medium: 8192, high: 24_576 } as const

/** The effort that is asked for, by its name or by its budget. */
export const effortOf = (reasoning: Reasoning | undefined): Reasoning["effort"] => {
  const budget = reasoning?.maxTokens
  if (reasoning?.effort !== undefined || budget === undefined) return reasoning?.effort
  return budget <= effortBudgets.low ? "low" : budget <= effortBudgets.medium ? "medium" : "high"
}
