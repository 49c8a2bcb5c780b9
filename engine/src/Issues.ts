/**
 * Schema issues as lines for people: `providers[1].rateLimits.concurrent: expected a positive integer, got 0`.
 *
 * What was expected comes from the `expected` annotation of a schema or a check, else from the schema itself. What was
 * got is shown only when the issue was made with `reportInput`, only for short plain values, and never where `hidden`
 * says so; texts of prompts and keys therefore stay out. Unknown keys name the closest known one.
 */
import { Predicate, SchemaIssue } from "effect"
import type { SchemaAST } from "effect"
import { closestMatch } from "leven"

/** One wrong field: where it is, and what is expected there. */
export interface Described {
  readonly field: string
  readonly detail: string
}

export type Path = ReadonlyArray<PropertyKey>

/** One wrong field with its path as keys. */
export interface Located {
  readonly path: Path
  readonly detail: string
}

export interface LocateOptions {
  /** Says what to write instead of a rejected value, such as `a string`; undefined lets it be shown. */
  readonly hidden?: (path: Path, value: unknown) => string | undefined
}

/** All wrong fields of an issue, in the order of the schema. */
export const describeIssues = (issue: SchemaIssue.Issue): ReadonlyArray<Described> =>
  locateIssues(issue).map(({ path, detail }) => ({ field: formatPath(path), detail }))

/** The first wrong field of an issue. */
export const describeIssue = (issue: SchemaIssue.Issue): Described => describeIssues(issue)[0]!

/** All wrong fields of an issue with their paths, in the order of the schema; at most one per path and detail. */
export const locateIssues = (issue: SchemaIssue.Issue, options?: LocateOptions): ReadonlyArray<Located> =>
  walk(issue, [], options?.hidden ?? (() => undefined)).map(({ path, expected, rest }) => ({
    path,
    detail: expected === undefined ? rest : `expected ${expected}${rest}`
  }))

/** `["messages", 0, "content"]` as `messages[0].content`; unusual keys are quoted, so that a path is one line. */
export const formatPath = (path: Path): string => {
  let out = ""
  for (const key of path) {
    if (typeof key === "number") out += `[${key}]`
    else if (typeof key === "string" && !plainKey.test(key)) out += `[${JSON.stringify(clip(key, 64))}]`
    else out += out === "" ? String(key) : `.${String(key)}`
  }
  return out
}

/** A value for an error message: plain values as they are written, longer ones by what they are. */
export const showValue = (value: unknown): string => {
  if (typeof value === "string") return value.length > 40 ? showType(value) : JSON.stringify(value)
  if (typeof value === "bigint") return `${value}n`
  return typeof value === "number" || typeof value === "boolean" || value === null ? String(value) : showType(value)
}

/** What kind of value it is, without the value: `a string`, `an empty list`, `nothing`. */
export const showType = (value: unknown): string => {
  if (value === undefined) return "nothing"
  if (value === null) return "null"
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list"
  if (value === "") return "an empty string"
  return typeof value === "object" ? "an object" : `a ${typeof value}`
}

/** `, did you mean "x"?` for the known name that is closest, else the list of all known names. */
export const suggest = (name: string, known: ReadonlyArray<string>): string => {
  const wanted = squash(name)
  const maxDistance = Math.max(2, Math.floor(wanted.length / 3))
  const closest = closestMatch(wanted, known.map(squash), { maxDistance })
  const found = known.find((candidate) => squash(candidate) === closest)
  if (found !== undefined) return `, did you mean ${JSON.stringify(found)}?`
  return known.length === 0 ? "" : `; known here: ${known.join(", ")}`
}

const plainKey = /^[A-Za-z_$][\w$-]{0,63}$/

const squash = (name: string): string => clip(name, 64).toLowerCase().replaceAll(/[_-]/g, "")

const clip = (text: string, length: number): string => (text.length > length ? `${text.slice(0, length)}…` : text)

/** An entry before it is put into words: `expected` is kept apart so that the members of a union can be joined. */
interface Entry {
  readonly path: Path
  readonly expected: string | undefined
  readonly rest: string
}

type Hidden = NonNullable<LocateOptions["hidden"]>

const walk = (issue: SchemaIssue.Issue, path: Path, hidden: Hidden): ReadonlyArray<Entry> => {
  switch (issue._tag) {
    case "Pointer":
      return walk(issue.issue, [...path, ...issue.path], hidden)
    case "Encoding":
      return walk(issue.issue, path, hidden)
    case "Composite":
      return issue.issues.flatMap((inner) => walkMissing(inner, issue.ast, path) ?? walk(inner, path, hidden))
    case "AnyOf":
      return walkUnion(issue, path, hidden)
    case "Filter": {
      const message = annotation(issue.filter.annotations, "message")
      if (message !== undefined) return [{ path, expected: undefined, rest: message }]
      const expected = annotation(issue.filter.annotations, "expected")
      if (expected === undefined) return walk(issue.issue, path, hidden)
      return [{ path, expected, rest: got(issue.issue, path, hidden) }]
    }
    case "MissingKey":
      return [{ path, expected: annotation(issue.annotations, "expected") ?? "a value", rest: ", got nothing" }]
    case "UnexpectedKey":
      return [{ path, expected: undefined, rest: `unknown key${suggest(String(path.at(-1)), namesOf(issue.ast))}` }]
    case "InvalidType": {
      return [{ path, expected: expectedBy(issue.ast), rest: got(issue, path, hidden) }]
    }
    case "InvalidValue": {
      const message = annotation(issue.annotations, "message")
      if (message !== undefined) return [{ path, expected: undefined, rest: message }]
      return [
        { path, expected: annotation(issue.annotations, "expected") ?? "a valid value", rest: got(issue, path, hidden) }
      ]
    }
    default:
      return [{ path, expected: undefined, rest: lowerFirst(SchemaIssue.defaultLeafHook(issue)) }]
  }
}

/** A union fails as one thing, unless a member fits so far that only fields inside it are wrong. */
const walkUnion = (issue: SchemaIssue.AnyOf, path: Path, hidden: Hidden): ReadonlyArray<Entry> => {
  const members = issue.issues.map((inner) => walk(inner, path, hidden))
  const inside = members.flat().filter((entry) => entry.path.length > path.length)
  if (inside.length > 0) return inside
  const entries = members.flatMap((member) => member.slice(0, 1))
  if (entries.length === 0 || annotation(issue.ast.annotations, "expected") !== undefined) {
    return [{ path, expected: expectedBy(issue.ast), rest: got(issue, path, hidden) }]
  }
  const expected = new Set(entries.flatMap((entry) => entry.expected ?? []))
  return [{ path, expected: expected.size === 0 ? undefined : [...expected].join(" or "), rest: entries[0]!.rest }]
}

/** A missing key, with what its schema expects there. */
const walkMissing = (issue: SchemaIssue.Issue, ast: SchemaAST.AST, path: Path): ReadonlyArray<Entry> | undefined => {
  if (issue._tag !== "Pointer" || issue.issue._tag !== "MissingKey" || ast._tag !== "Objects") return undefined
  const property = ast.propertySignatures.find((signature) => signature.name === issue.path[0])
  if (property === undefined) return undefined
  return [{ path: [...path, ...issue.path], expected: expectedBy(property.type), rest: ", got nothing" }]
}

const got = (issue: SchemaIssue.Issue, path: Path, hidden: Hidden): string =>
  SchemaIssue.hasInput(issue) ? `, got ${hidden(path, issue.input) ?? showValue(issue.input)}` : ""

const annotation = (annotations: { readonly [key: string]: unknown } | undefined, key: string): string | undefined => {
  const value = annotations?.[key]
  return Predicate.isString(value) ? value : undefined
}

const namesOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  ast._tag === "Objects" ? ast.propertySignatures.map((signature) => signature.name).filter(Predicate.isString) : []

const words: { readonly [word: string]: string } = {
  string: "a string",
  number: "a number",
  boolean: "true or false",
  array: "a list",
  object: "an object"
}

/** What a schema takes: its annotation or those of its members, else the words of `effect`'s own formatter. */
const expectedBy = (ast: SchemaAST.AST): string => {
  const stated = annotation(ast.annotations, "expected")
  if (stated !== undefined) return stated
  if (ast._tag === "Union" && ast.types.some((member) => annotation(member.annotations, "expected") !== undefined)) {
    return ast.types
      .filter((member) => member._tag !== "Undefined")
      .map(expectedBy)
      .join(" or ")
  }
  const members = SchemaIssue.defaultLeafHook(new SchemaIssue.InvalidType(ast))
    .replace(/^Expected /, "")
    .split(" | ")
  return members
    .filter((member) => member !== "undefined" || members.length === 1)
    .map((member) => (Object.hasOwn(words, member) ? words[member]! : member.replace(sentinel, "{ $1: $2 }")))
    .join(" or ")
}

/** How `effect` writes a member of a discriminated union. */
const sentinel = /^\{ readonly "(\w+)": ("[^"]*"), \.\.\. \}$/

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)
