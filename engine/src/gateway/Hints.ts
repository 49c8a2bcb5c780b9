/**
 * Which fields of a body only an upstream of the same dialect gets: those that are not known here, and hints.
 *
 * A hint changes no meaning (where a prompt is cached, who pays, what a call is labelled with). When the upstream speaks
 * another dialect, hints and unknown fields are left out, and the caller is told their paths in `x-millrace-omitted`.
 * What would change the meaning is an error instead. Nothing is worked out while dialects agree.
 */
import { isObject } from "../protocols/Json.ts"
import { formatPath } from "../Issues.ts"

export interface HintRules {
  /**
   * Known fields that are hints, by path without list indices (`tools.strict`) or, at any depth, by name (`*.title`). The
   * value beside it asks for nothing and is not reported; undefined where there is none.
   */
  readonly hints: { readonly [pattern: string]: unknown }
  /** Names of fields that say nothing to a model (ids, states), reported nowhere. */
  readonly inert?: ReadonlySet<string>
  /** Names of fields whose value is the caller's own and is not looked into. */
  readonly freeForm: ReadonlySet<string>
}

/** Paths that are reported at most. */
const pathsMax = 32

/** Paths of `body` that are hints or that `read`, the same body as its schema gave it, lacks. */
export const hintsOf = (body: unknown, read: unknown, rules: HintRules): ReadonlyArray<string> => {
  const out: Array<string> = []
  walk(body, read, [], "", rules, out)
  return out
}

const walk = (
  body: unknown,
  read: unknown,
  path: ReadonlyArray<PropertyKey>,
  pattern: string,
  rules: HintRules,
  out: Array<string>
): void => {
  if (body === read || out.length >= pathsMax) return
  if (Array.isArray(body)) {
    if (Array.isArray(read))
      body.forEach((item, index) => walk(item, read[index], [...path, index], pattern, rules, out))
    return
  }
  if (!isObject(body) || !isObject(read)) return
  for (const key of Object.keys(body)) {
    const value = body[key]
    if (value === null || value === undefined || rules.inert?.has(key) === true || out.length >= pathsMax) continue
    const at = pattern === "" ? key : `${pattern}.${key}`
    const rule = Object.hasOwn(rules.hints, at) ? at : `*.${key}`
    if (Object.hasOwn(rules.hints, rule)) {
      if (value !== rules.hints[rule]) out.push(formatPath([...path, key]))
    } else if (!Object.hasOwn(read, key)) out.push(formatPath([...path, key]))
    else if (!rules.freeForm.has(key)) walk(value, read[key], [...path, key], at, rules, out)
  }
}
