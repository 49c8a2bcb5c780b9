/**
 * What a reasoning effort or budget becomes in Gemini's `thinkingConfig`.
 *
 * Gemini 3 and later know levels, earlier models a budget of tokens: low 1,024, medium 8,192, high 24,576, as Google maps
 * OpenAI's efforts itself. Where a model can't stop thinking, `none` is its least, and that is reported. Thoughts are asked
 * for whenever reasoning is.
 */
import type { Request } from "../Request.ts"
import { effortBudgets } from "./ReasoningEffort.ts"

type Effort = NonNullable<NonNullable<Request["reasoning"]>["effort"]>

const budgets: Readonly<Record<Effort, number>> = {
  none: 0,
  minimal: effortBudgets.low,
  ...effortBudgets,
  xhigh: effortBudgets.high
}

/** Gemini 2.5 Pro thinks at least and at most so many tokens. */
const proBudgetMin = 128
const proBudgetMax = 32_768

export const thinkingConfigOf = (
  reasoning: Request["reasoning"],
  model: string,
  omitted: Array<string>
): { readonly [key: string]: unknown } | undefined => {
  const effort = reasoning?.effort
  if (reasoning?.maxTokens !== undefined) return { thinkingBudget: reasoning.maxTokens, includeThoughts: true }
  if (effort === undefined) return undefined
  const pro = model.includes("pro")
  if (effort === "none") {
    if (isGemini3(model)) {
      omitted.push("reasoning.effort")
      return { thinkingLevel: pro ? "low" : "minimal" }
    }
    if (pro) omitted.push("reasoning.effort")
    return { thinkingBudget: pro ? proBudgetMin : 0 }
  }
  return { ...(isGemini3(model) ? levelOf(effort, pro) : budgetOf(effort, pro)), includeThoughts: true }
}

/** Gemini 3 and later, by name; also `gemini-flash-latest` and its like, which are of this family by now. */
export const isGemini3 = (model: string): boolean => /gemini-(?:[3-9]|\d\d)(?!\d)|gemini-[a-z-]+-latest/.test(model)

const levelOf = (effort: Effort, pro: boolean) => ({
  thinkingLevel: effort === "xhigh" ? "high" : effort === "minimal" && pro ? "low" : effort
})

const budgetOf = (effort: Effort, pro: boolean) => ({
  thinkingBudget: effort === "xhigh" && pro ? proBudgetMax : budgets[effort]
})
