/**
 * What the environment contributes to a configuration: providers without any, the server's fields, and `${NAME}`.
 *
 * Whatever comes from the environment keeps its origin, so that errors name the variable and never show its value, and
 * so that `port: ${PORT}` may stand for a number. Objects given to a constructor are completed, never interpolated.
 */
import { Predicate } from "effect"
import { isPlainObject } from "./ConfigShape.ts"
import { formatPath } from "./Issues.ts"
import type { Located, Path } from "./Issues.ts"

export type Environment = { readonly [name: string]: string | undefined }

/** A text of a document that came from environment variables, in part or as a whole. */
export interface Origin {
  readonly path: Path
  /** As it is written: `${PORT}`, or `http://${HOST}/v1`. */
  readonly template: string
  /** True when nothing but one variable is written there. */
  readonly whole: boolean
  /** The values that were put in. */
  readonly values: ReadonlyArray<string>
}

/** Origins by formatted path. */
export type Origins = Map<string, Origin>

export interface Completed {
  readonly document: unknown
  /** What the user should know about what was chosen. */
  readonly notes: ReadonlyArray<string>
}

const providerVariables = [
  { variable: "OPENAI_API_KEY", name: "openai" },
  { variable: "ANTHROPIC_API_KEY", name: "anthropic" },
  { variable: "GEMINI_API_KEY", name: "google" }
] as const

const serverVariables = [
  { variable: "MILLRACE_HOST", field: "host" },
  { variable: "MILLRACE_PORT", field: "port" },
  { variable: "MILLRACE_ADMIN_TOKEN", field: "adminToken" }
] as const

/** Fills in providers and server fields from the environment where the document has none; notes origins. */
export const complete = (
  document: { readonly [key: string]: unknown },
  environment: Environment,
  origins: Origins
): Completed => {
  const notes: Array<string> = []
  const completed: Record<string, unknown> = { ...document }
  const set = (path: Path, variable: string): string => {
    const value = environment[variable] ?? ""
    origins.set(formatPath(path), { path, template: `\${${variable}}`, whole: true, values: [value] })
    return value
  }

  if (document["providers"] === undefined) {
    const present = providerVariables.filter(({ variable }) => isSet(environment[variable]))
    completed["providers"] = present.map(({ variable, name }, index) => ({
      name,
      apiKey: set(["providers", index, "apiKey"], variable)
    }))
    if (present.length === 0) {
      completed["providers"] = [{ name: "simulated" }]
      const names = providerVariables.map(({ variable }) => variable).join(" or ")
      notes.push(`no provider is configured and no ${names} is set: the simulated provider answers, no real model does`)
    }
  }

  const server = document["server"] ?? {}
  if (Predicate.isObject(server)) {
    const fields = serverVariables.filter(
      ({ variable, field }) => server[field] === undefined && isSet(environment[variable])
    )
    if (fields.length > 0) {
      const values = fields.map(({ variable, field }) => [field, set(["server", field], variable)])
      completed["server"] = { ...server, ...Object.fromEntries(values) }
    }
  }
  return { document: completed, notes }
}

const isSet = (value: string | undefined): boolean => value !== undefined && value.trim() !== ""

export interface Interpolated {
  /** A copy of the document with every `${NAME}` replaced. */
  readonly document: unknown
  readonly origins: Origins
  /** Variables that are not set, and `${` that names none, each with its path. */
  readonly issues: ReadonlyArray<Located>
}

/** Replaces `${NAME}` in every text of a document without circles; `$${` stands for `${`. */
export const interpolate = (document: unknown, environment: Environment): Interpolated => {
  const origins: Origins = new Map()
  const issues: Array<Located> = []

  const replace = (text: string, path: Path): string => {
    const values: Array<string> = []
    const replaced = text.replaceAll(pattern, (written, name: string | undefined) => {
      if (written === "$${") return "${"
      if (name === undefined) {
        issues.push({ path, detail: "expected ${NAME} with the name of an environment variable; $${ stands for ${" })
        return written
      }
      const value = Object.hasOwn(environment, name) ? environment[name] : undefined
      if (value === undefined) issues.push({ path, detail: `the environment variable ${name} is not set` })
      else values.push(value)
      return value ?? ""
    })
    if (values.length > 0) {
      const whole = /^\$\{[A-Za-z_]\w*\}$/.test(text)
      origins.set(formatPath(path), { path, template: text, whole, values })
    }
    return replaced
  }

  const visit = (value: unknown, path: Path): unknown => {
    if (typeof value === "string") return replace(value, path)
    if (Array.isArray(value)) return value.map((entry, index) => visit(entry, [...path, index]))
    if (!isPlainObject(value)) return value
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, visit(entry, [...path, key])]))
  }

  return { document: visit(document, []), origins, issues }
}

/** An escaped `${`, a variable, or a `${` that is neither. */
const pattern = /\$\$\{|\$\{([A-Za-z_]\w*)\}|\$\{/g
