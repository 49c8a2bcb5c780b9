/**
 * Arguments of a Gemini function call that is streamed in pieces (`streamFunctionCallArguments` of Vertex AI).
 *
 * Each piece names a place by a JSONPath such as `$.items[0].name` and gives a value, or a part of a text that goes on in
 * the next piece. A piece without a value ends a text, or stands for an empty object; a path that ends with `[]` ends a
 * list, or stands for an empty one. What makes no sense is left out; nothing here throws.
 */
import { Predicate } from "effect"
import { isObject, type JsonObject, jsonText } from "./Json.ts"

type Step = string | number
type Container = Record<Step, unknown>

const depthMax = 64
const indexMax = 10_000

/** Collects the pieces of one call. */
export class PartialArgs {
  private readonly root: Container = Object.create(null) as Container

  constructor(args: unknown) {
    if (isObject(args)) for (const key of Object.keys(args)) this.root[key] = args[key]
  }

  add(pieces: unknown): void {
    if (!Array.isArray(pieces)) return
    for (const piece of pieces as ReadonlyArray<unknown>) {
      const path = isObject(piece) && Predicate.isString(piece["jsonPath"]) ? piece["jsonPath"] : ""
      const isList = path.endsWith("[]")
      const steps = stepsOf(isList ? path.slice(0, -2) : path)
      if (steps !== undefined) this.put(steps, piece as JsonObject, isList)
    }
  }

  /** The arguments so far, as JSON text. */
  json(): string {
    return jsonText(this.root) ?? "{}"
  }

  private put(steps: ReadonlyArray<Step>, piece: JsonObject, isList: boolean): void {
    let place = this.root
    for (let i = 0; i < steps.length - 1; i++) {
      const step = steps[i]!
      if (!Object.hasOwn(place, step)) place[step] = emptyFor(steps[i + 1]!)
      const next = place[step]
      if (!Predicate.isObjectOrArray(next) || Array.isArray(next) !== Predicate.isNumber(steps[i + 1])) return
      place = next as Container
    }
    const last = steps[steps.length - 1]!
    const present = Object.hasOwn(place, last) ? place[last] : undefined
    const text = piece["stringValue"]
    const value = piece["numberValue"] ?? piece["boolValue"]
    if (Predicate.isString(text)) place[last] = Predicate.isString(present) ? present + text : text
    else if (Predicate.isNumber(value) || Predicate.isBoolean(value)) place[last] = value
    else if ("nullValue" in piece) place[last] = null
    else if (present === undefined && piece["willContinue"] !== true) place[last] = isList ? [] : {}
  }
}

const emptyFor = (step: Step): Container => (Predicate.isNumber(step) ? [] : Object.create(null)) as Container

/** The steps of a path below `$`; undefined for what is no such path, or one that is too deep. */
const stepsOf = (path: string): ReadonlyArray<Step> | undefined => {
  const steps: Array<Step> = []
  const step = /\.([^.[\]]+)|\[(\d{1,6})\]|\[(?:'([^']*)'|"([^"]*)")\]/y
  step.lastIndex = path.startsWith("$") ? 1 : 0
  const body = path.startsWith("$") || path.startsWith("[") ? path : `.${path}`
  while (step.lastIndex < body.length) {
    const match = step.exec(body)
    if (match === null || steps.length >= depthMax) return undefined
    const [, name, index, quoted, doubleQuoted] = match
    if (Number(index) > indexMax || (name ?? quoted ?? doubleQuoted) === "__proto__") return undefined
    steps.push(index === undefined ? (name ?? quoted ?? doubleQuoted ?? "") : Number(index))
  }
  return steps.length === 0 || Predicate.isNumber(steps[0]) ? undefined : steps
}
