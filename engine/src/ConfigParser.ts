/**
 * YAML and JSON texts as values, with line and column for whatever is wrong.
 *
 * YAML is 1.2 with the core schema (`mode: off` is a text) and merge keys, and `{ port: ${PORT} }` needs no quotes.
 * Duplicate keys are errors in both formats, and so are unknown tags. Messages never quote the source: it may hold keys.
 */
import { parse as parseJsonTree, traverse } from "@humanwhocodes/momoa"
import type { ObjectNode } from "@humanwhocodes/momoa"
import { Predicate } from "effect"
import { isAlias, LineCounter, parseDocument, visit } from "yaml"
import type { Document } from "yaml"

/** One place of a text where its format is broken; lines and columns count from 1. */
export interface Place {
  readonly line: number | undefined
  readonly column: number | undefined
  readonly detail: string
}

/** Thrown by the parsers. */
export class ParseFailure extends Error {
  readonly places: ReadonlyArray<Place>
  constructor(places: ReadonlyArray<Place>) {
    super("the text can't be parsed")
    this.places = places
  }
}

const tooDeep = new ParseFailure([{ line: undefined, column: undefined, detail: "is nested too deeply" }])

const maxPlaces = 10

export const parseYaml = (text: string): unknown => {
  const lineCounter = new LineCounter()
  const document = parseDocument(text.replaceAll(variable, "\uFDD0\uFDD1$1\uFDD2"), {
    lineCounter,
    prettyErrors: false,
    schema: "core",
    merge: true,
    uniqueKeys: true,
    logLevel: "error"
  })
  const place = (offset: number, detail: string): Place => {
    const { line, col } = lineCounter.linePos(offset)
    return { line, column: col, detail }
  }
  const failures = [...document.errors, ...document.warnings]
  if (failures.some((failure) => failure.code === "RESOURCE_EXHAUSTION")) throw tooDeep
  if (failures.length > 0) {
    const places = failures.map((failure) => place(failure.pos[0], wordsOf(failure.code, failure.message)))
    throw new ParseFailure(firstOfEachLine(places).slice(0, maxPlaces))
  }
  const unresolved = unresolvedAliases(document)
  if (unresolved.length > 0) {
    throw new ParseFailure(unresolved.map((offset) => place(offset, "the alias has no anchor before it")))
  }
  restoreVariables(document)
  const value = toValue(document)
  if (value === null) throw new ParseFailure([{ line: undefined, column: undefined, detail: "is empty" }])
  return value
}

/** Braces end a plain text inside of `{ }`: while YAML is parsed, variables are written with three other characters. */
const variable = /\$\{([^\s{}[\],"']*)\}/g

const restoreVariables = (document: Document): void =>
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value === "string") node.value = node.value.replaceAll(/\uFDD0\uFDD1([^\uFDD2]*)\uFDD2/g, "${$1}")
    }
  })

const toValue = (document: Document): unknown => {
  try {
    return document.toJS()
  } catch {
    throw new ParseFailure([
      { line: undefined, column: undefined, detail: "has more aliases than a configuration has" }
    ])
  }
}

/** One failure often makes others on its line. */
const firstOfEachLine = (places: ReadonlyArray<Place>): ReadonlyArray<Place> =>
  places.filter((place, index) => places.findIndex((other) => other.line === place.line) === index)

/** Without what the message quotes, and in our words where those of the parser are about its own API. */
const wordsOf = (code: string, message: string): string => {
  if (code === "DUPLICATE_KEY") return "duplicate key"
  if (code === "MULTIPLE_DOCS") return "expected one document, found a second one"
  return lowerFirst(message.replace(/: ".*$/s, ""))
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)

const unresolvedAliases = (document: Document): ReadonlyArray<number> => {
  const offsets: Array<number> = []
  visit(document, {
    Alias: (_, node) => {
      if (isAlias(node) && node.resolve(document) === undefined) offsets.push(node.range?.[0] ?? 0)
    }
  })
  return offsets
}

export const parseJson = (text: string): unknown => {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ParseFailure([jsonPlace(text, Predicate.isError(error) ? error.message : "")])
  }
  const duplicates = duplicateKeys(text)
  if (duplicates.length > 0) throw new ParseFailure(duplicates.slice(0, maxPlaces))
  return value
}

/** V8 tells the offset of most failures, momoa the line and column of the others. */
const jsonPlace = (text: string, message: string): Place => {
  const known = /^(.*) (in|after) JSON at position (\d+)/s.exec(message)
  if (known !== null) {
    const before = text.slice(0, Number(known[3])).split("\n")
    const detail = known[2] === "after" ? "expected the end of the file, found more" : lowerFirst(known[1]!)
    return { line: before.length, column: before.at(-1)!.length + 1, detail }
  }
  try {
    parseJsonTree(text, { mode: "json" })
  } catch (error) {
    if (Predicate.hasProperty(error, "line") && Predicate.hasProperty(error, "column")) {
      const atEnd = Predicate.isError(error) && error.message.includes("end of input")
      const detail = atEnd ? "unexpected end of the file" : "this is not JSON"
      return { line: Number(error.line), column: Number(error.column), detail }
    }
  }
  return { line: undefined, column: undefined, detail: "is not valid JSON" }
}

const duplicateKeys = (text: string): ReadonlyArray<Place> => {
  const places: Array<Place> = []
  try {
    traverse(parseJsonTree(text, { mode: "json" }), {
      enter: (node) => {
        if (node.type !== "Object") return
        const names = new Set<string>()
        for (const { name } of (node as ObjectNode).members) {
          const key = name.type === "String" ? name.value : name.name
          const { line, column } = name.loc.start
          if (names.has(key)) places.push({ line, column, detail: "duplicate key" })
          names.add(key)
        }
      }
    })
  } catch (error) {
    if (error instanceof RangeError) throw tooDeep
    throw error
  }
  return places
}
