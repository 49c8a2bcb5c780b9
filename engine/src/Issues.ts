/**
 * Schema issues as lines for people: `providers[1].rateLimits.concurrent: expected a positive integer, got 0`.
 */
import { SchemaIssue } from "effect"

/** One wrong field: where it is, and what is expected there. */
export interface Described {
  readonly field: string
  readonly detail: string
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** All wrong fields of an issue, in the order of the schema. */
export const describeIssues = (issue: SchemaIssue.Issue): ReadonlyArray<Described> =>
  format(issue).issues.map((entry) => ({
    field: formatPath((entry.path ?? []).map((key) => (typeof key === "object" ? key.key : key))),
    detail: entry.message
  }))

/** The first wrong field of an issue. */
export const describeIssue = (issue: SchemaIssue.Issue): Described => describeIssues(issue)[0]!

/** `["messages", 0, "content"]` as `messages[0].content`. */
export const formatPath = (path: ReadonlyArray<PropertyKey>): string => {
  let out = ""
  for (const key of path) {
    if (typeof key === "number") out += `[${key}]`
    else out += out === "" ? String(key) : `.${String(key)}`
  }
  return out
}
