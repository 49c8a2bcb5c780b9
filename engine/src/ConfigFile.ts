/**
 * Reads the configuration file: `millrace.config.{yaml,yml,json,ts}`, or the one that is named.
 *
 * Errors of the format name file, line and column and never quote the source, which may hold keys; errors of the
 * content are those of `Config.decode`. `${NAME}` is replaced in every kind of file. A `.ts` file is imported: its
 * default export is the configuration, or a function that gives it, at once or as a promise. Nothing is written.
 */
import { Effect, Predicate } from "effect"
import { isUtf8 } from "node:buffer"
import { existsSync } from "node:fs"
import { readFile, stat } from "node:fs/promises"
import path from "node:path"
import { pathToFileURL } from "node:url"
import { ConfigError, decodeGiven } from "./Config.ts"
import type { Decoded } from "./Config.ts"
import { interpolate } from "./ConfigEnvironment.ts"
import type { Environment } from "./ConfigEnvironment.ts"
import { ParseFailure, parseJson, parseYaml } from "./ConfigParser.ts"
import { forbiddenShapes } from "./ConfigShape.ts"
import { formatPath, showType } from "./Issues.ts"
import type { Located } from "./Issues.ts"

export interface LoadOptions {
  /** The file to read; without it the working directory is searched. */
  readonly file?: string | undefined
  /** Instead of the process's working directory. */
  readonly cwd?: string | undefined
  /** Instead of the process's environment. */
  readonly env?: Environment | undefined
  readonly door?: "library" | "serve" | undefined
}

export interface Loaded extends Decoded {
  /** The file that was read, as it was named; undefined when there is none. */
  readonly file: string | undefined
}

/** What is looked for, in this order; two of them in one directory are an error. */
export const fileNames = ["yaml", "yml", "json", "ts"].map((extension) => `millrace.config.${extension}`)

const maxBytes = 1_000_000

/** Loads the configuration. Fails with every error at once; each names its path, or its line and column. */
export const load = (options: LoadOptions): Effect.Effect<Loaded, ConfigError> =>
  Effect.gen(function* () {
    const cwd = options.cwd ?? process.cwd()
    const env = options.env ?? process.env
    const file = options.file ?? (yield* search(cwd))
    if (file === undefined) return { ...(yield* decodeGiven(undefined, { env, door: options.door })), file }
    const written = yield* read(file, path.resolve(cwd, file))
    const shapes = forbiddenShapes(written)
    if (shapes.length > 0) return yield* refuse(file, shapes)
    const { document, origins, issues } = interpolate(written, env)
    if (issues.length > 0) return yield* refuse(file, issues)
    const decoded = yield* Effect.mapError(
      decodeGiven(document, { env, door: options.door, origins }),
      (error) => new ConfigError({ issues: error.issues, file })
    )
    return { ...decoded, file }
  })

const search = (cwd: string): Effect.Effect<string | undefined, ConfigError> => {
  const found = fileNames.filter((name) => existsSync(path.join(cwd, name)))
  if (found.length <= 1) return Effect.succeed(found[0])
  const detail = `there is more than one configuration file: ${found.join(", ")}; keep one, or name one with --config`
  return Effect.fail(new ConfigError({ issues: [{ path: "", message: detail }] }))
}

const read = (file: string, absolute: string): Effect.Effect<unknown, ConfigError> => {
  const extension = path.extname(file).toLowerCase()
  switch (extension) {
    case ".yaml":
    case ".yml":
      return Effect.flatMap(readText(file, absolute), (text) => parse(file, () => parseYaml(text)))
    case ".json":
      return Effect.flatMap(readText(file, absolute), (text) => parse(file, () => parseJson(text)))
    case ".ts":
      return Effect.andThen(readText(file, absolute), importDefault(file, absolute))
    default:
      return failFile(file, "expected a file that ends with .yaml, .yml, .json or .ts")
  }
}

const readText = (file: string, absolute: string): Effect.Effect<string, ConfigError> =>
  Effect.gen(function* () {
    const info = yield* attempt(file, () => stat(absolute))
    if (info.isDirectory()) return yield* failFile(file, "is a directory; name the file in it")
    if (!info.isFile()) return yield* failFile(file, "is not a regular file")
    if (info.size > maxBytes) {
      return yield* failFile(file, `has ${info.size} bytes; a configuration file has at most ${maxBytes}`)
    }
    const bytes = yield* attempt(file, () => readFile(absolute))
    if (!isUtf8(bytes)) return yield* failFile(file, "is not valid UTF-8")
    const text = new TextDecoder().decode(bytes)
    return text.trim() === "" ? yield* failFile(file, "is empty") : text
  })

const attempt = <A>(file: string, evaluate: () => Promise<A>): Effect.Effect<A, ConfigError> =>
  Effect.tryPromise({ try: evaluate, catch: (cause) => fileError(file, reasonOf(cause)) })

const reasons: { readonly [code: string]: string } = {
  ENOENT: "there is no such file",
  ENOTDIR: "there is no such file",
  EACCES: "can't be read: permission denied",
  EPERM: "can't be read: permission denied",
  ELOOP: "can't be read: too many symbolic links",
  ENAMETOOLONG: "the name is too long"
}

const reasonOf = (cause: unknown): string => {
  const code = Predicate.hasProperty(cause, "code") ? String(cause.code) : "unknown error"
  return Object.hasOwn(reasons, code) ? reasons[code]! : `can't be read: ${code}`
}

const parse = (file: string, evaluate: () => unknown): Effect.Effect<unknown, ConfigError> =>
  Effect.try({
    try: evaluate,
    catch: (cause) =>
      cause instanceof ParseFailure
        ? new ConfigError({
            file,
            issues: cause.places.map(({ line, column, detail }) => ({
              path: line === undefined ? file : `${file}:${line}:${column ?? 1}`,
              message: detail
            }))
          })
        : fileError(file, "can't be parsed")
  })

const importDefault = (file: string, absolute: string): Effect.Effect<unknown, ConfigError> =>
  Effect.gen(function* () {
    const { mtimeMs } = yield* attempt(file, () => stat(absolute))
    const url = pathToFileURL(absolute)
    url.searchParams.set("modified", String(mtimeMs))
    const evaluate = async (): Promise<unknown> => {
      const module: { readonly default?: unknown } = await import(url.href)
      return Predicate.isFunction(module.default) ? await (module.default() as unknown) : module.default
    }
    const value = yield* Effect.tryPromise({ try: evaluate, catch: (cause) => importError(file, absolute, cause) })
    if (Predicate.isObject(value)) return value
    return yield* failFile(
      file,
      `expected a default export with the configuration, or a function that gives it, got ${showType(value)}`
    )
  })

/** Node writes file and line, the source and a caret in front of the stack of a syntax error. */
const importError = (file: string, absolute: string, cause: unknown): ConfigError => {
  const error = Predicate.isError(cause) ? cause : new Error(String(cause))
  const detail = error.message.split("\n", 1)[0]!
  const lines = (error.stack ?? "").split("\n")
  const syntax = lines[0]!.includes(absolute) ? /:(\d+)$/.exec(lines[0]!) : null
  const runtime = /:(\d+:\d+)\)?$/.exec(lines.find((line) => line.includes(absolute)) ?? "")
  const caret = lines[2]?.indexOf("^") ?? -1
  const place = syntax === null ? runtime?.[1] : `${syntax[1]}:${Math.max(caret, 0) + 1}`
  return new ConfigError({
    file,
    issues: [{ path: place === undefined ? file : `${file}:${place}`, message: detail === "" ? error.name : detail }]
  })
}

const refuse = (file: string, issues: ReadonlyArray<Located>) =>
  Effect.fail(
    new ConfigError({ file, issues: issues.map(({ path, detail }) => ({ path: formatPath(path), message: detail })) })
  )

const fileError = (file: string, message: string): ConfigError =>
  new ConfigError({ file, issues: [{ path: file, message }] })

const failFile = (file: string, message: string): Effect.Effect<never, ConfigError> =>
  Effect.fail(fileError(file, message))
