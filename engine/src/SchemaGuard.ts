/**
 * A quick yes for values that a schema takes as they are.
 *
 * Nearly every request is valid, and a parser that can explain what is wrong takes ten times as long to find that nothing
 * is. A guard is derived from the schema, so the schema stays the only place where a field is described. It says yes only
 * when the parser would accept the value unchanged; whatever it doesn't know (transformations, declarations, tuples,
 * instances of classes) gets a no, and a no means: ask the parser. It copies nothing and never throws by itself.
 */
import { Exit, Schema, type SchemaAST } from "effect"

export type Guard = (value: unknown) => boolean

export interface GuardOptions {
  /** Says no to fields that the schema doesn't name. */
  readonly exact?: boolean | undefined
}

/** The guard of a schema; make it once. */
export const guardOf = (schema: { readonly ast: SchemaAST.AST }, options: GuardOptions = {}): Guard =>
  compile(schema.ast, options)

const no: Guard = () => false

const compile = (ast: SchemaAST.AST, options: GuardOptions): Guard => {
  if (ast.encoding !== undefined) return no
  const shape = compileShape(ast, options)
  const { checks } = ast
  return checks === undefined ? shape : (value) => shape(value) && passes(checks, value, ast)
}

const passes = (checks: ReadonlyArray<SchemaAST.Check<unknown>>, value: unknown, ast: SchemaAST.AST): boolean => {
  for (const check of checks) {
    const passed =
      check._tag === "FilterGroup" ? passes(check.checks, value, ast) : check.run(value, ast, {}) === undefined
    if (!passed) return false
  }
  return true
}

const compileShape = (ast: SchemaAST.AST, options: GuardOptions): Guard => {
  switch (ast._tag) {
    case "String":
      return (value) => typeof value === "string"
    case "Number":
      return (value) => typeof value === "number"
    case "Boolean":
      return (value) => typeof value === "boolean"
    case "Null":
      return (value) => value === null
    case "Undefined":
      return (value) => value === undefined
    case "Unknown":
    case "Any":
      return () => true
    case "Literal":
      return (value) => value === ast.literal
    case "Declaration":
      return ast === Schema.Json.ast ? isJson : no
    case "Suspend":
      return suspended(ast, options)
    case "Union":
      return ast.options?.mode === "oneOf" ? no : oneOf(ast.types.map((type) => compile(type, options)))
    case "Arrays":
      return ast.elements.length === 0 && ast.rest.length === 1 ? arrayOf(compile(ast.rest[0]!, options)) : no
    case "Objects":
      return compileObject(ast, options)
    default:
      return no
  }
}

const json = Schema.Json.ast as SchemaAST.Declaration
const parseJson = json.run([])

const isJson: Guard = (value) => {
  const parsed = parseJson(value, json, {})
  return Exit.isExit(parsed) && Exit.isSuccess(parsed)
}

const suspended = (ast: SchemaAST.Suspend, options: GuardOptions): Guard => {
  let guard: Guard | undefined
  return (value) => (guard ??= compile(ast.thunk(), options))(value)
}

const oneOf =
  (guards: ReadonlyArray<Guard>): Guard =>
  (value) => {
    for (const guard of guards) if (guard(value)) return true
    return false
  }

const arrayOf =
  (item: Guard): Guard =>
  (value) => {
    if (!Array.isArray(value)) return false
    for (let i = 0; i < value.length; i++) if (!item(value[i])) return false
    return true
  }

const compileObject = (ast: SchemaAST.Objects, options: GuardOptions): Guard => {
  const { indexSignatures, propertySignatures } = ast
  if (indexSignatures.length > 0) {
    const [signature] = indexSignatures
    const plain = indexSignatures.length === 1 && propertySignatures.length === 0
    if (!plain || signature!.parameter._tag !== "String" || signature!.parameter.checks !== undefined) return no
    return recordOf(compile(signature!.type, options))
  }
  const fields = new Map<string, Guard>()
  const required: Array<string> = []
  const literals: Array<readonly [name: string, literal: unknown]> = []
  for (const { name, type } of propertySignatures) {
    if (typeof name !== "string") return no
    fields.set(name, compile(type, options))
    if (type.context?.isOptional !== true) required.push(name)
    if (type._tag === "Literal" && type.context?.isOptional !== true) literals.push([name, type.literal])
  }
  return fields.size === 0 ? no : structOf(fields, required, literals, options.exact === true)
}

const recordOf =
  (item: Guard): Guard =>
  (value) => {
    if (!isPlain(value)) return false
    for (const key of Object.keys(value)) if (key === "__proto__" || !item(value[key])) return false
    return true
  }

/** `literals` are looked at first: in a union they tell members apart. */
const structOf =
  (
    fields: ReadonlyMap<string, Guard>,
    required: ReadonlyArray<string>,
    literals: ReadonlyArray<readonly [name: string, literal: unknown]>,
    exact: boolean
  ): Guard =>
  (value) => {
    if (!isPlain(value)) return false
    for (const [name, literal] of literals) if (value[name] !== literal) return false
    for (const name of required) if (!Object.hasOwn(value, name)) return false
    for (const key of Object.keys(value)) {
      const field = fields.get(key)
      if (field === undefined ? exact : !field(value[key])) return false
    }
    return true
  }

/** An object without a class: what it has is its own, and reading it runs no code but its own getters. */
const isPlain = (value: unknown): value is { readonly [key: string]: unknown } => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
