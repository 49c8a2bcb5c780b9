/**
 * The rules between fields of a configuration: names are unique, alias targets exist, each kind has what it needs.
 *
 * Rules read the document as it was written, right or wrong, so that they report their errors together with those of
 * the schema. A rule that depends on a field of the wrong type says nothing: the schema has said it.
 */
import { Predicate } from "effect"
import { budgetRules } from "./ConfigBudgets.ts"
import { pricingRules } from "./ConfigPricing.ts"
import { providerKinds } from "./ConfigSchema.ts"
import { unsupported } from "./ConfigUnsupported.ts"
import { formatPath, showValue } from "./Issues.ts"
import type { Located, Path } from "./Issues.ts"

export type Kind = (typeof providerKinds)[number]

/** Every broken rule of a document, with its path. */
export const brokenRules = (document: unknown): ReadonlyArray<Located> => {
  const providers = entriesOf(read(document, "providers"))
  return [
    ...providers.flatMap((provider, index) =>
      providerRules(provider, providers.slice(0, index)).map(({ path, detail }) => ({
        path: ["providers", index, ...path],
        detail
      }))
    ),
    ...aliasRules(document, providers),
    ...weightRules(document, providers),
    ...semanticRules(document, providers),
    ...cacheStoreRule(document),
    ...budgetRules(read(document, "budgets"), providers.map((entry) => read(entry, "name")).filter(Predicate.isString)),
    ...unsupportedRules(document)
  ]
}

/** The kind of a provider: as written, else its name when that is a kind. */
export const kindOf = (provider: unknown): Kind | undefined => {
  const kind = read(provider, "kind") ?? read(provider, "name")
  return providerKinds.find((known) => known === kind)
}

/** Default models of the kinds that have one; each is in the price catalogue. */
export const defaultModels: { readonly [K in Kind]: string | undefined } = {
  openai: "gpt-5.4-mini",
  anthropic: "claude-haiku-4-5",
  google: "gemini-2.5-flash",
  "openai-compatible": undefined,
  simulated: "simulated"
}

/** Models for embeddings of the kinds that have one; elsewhere the provider's default model is asked. */
export const defaultEmbeddingModels: { readonly [K in Kind]?: string } = {
  openai: "text-embedding-3-small",
  google: "gemini-embedding-001"
}

/** The models a provider is asked for by name: the default one first. Undefined when it takes any. */
export const modelsOf = (provider: unknown): ReadonlyArray<string> | undefined => {
  const models = read(provider, "models")
  if (!Array.isArray(models)) return undefined
  const model = read(provider, "model")
  const listed = models.filter(Predicate.isString)
  return [...new Set(Predicate.isString(model) && !listed.includes(model) ? [model, ...listed] : listed)]
}

/** Own properties only: a document may hold keys such as `constructor`. */
const read = (value: unknown, ...path: Path): unknown => {
  let current = value
  for (const key of path) {
    if (!Predicate.isObjectOrArray(current) || !Object.hasOwn(current, key)) return undefined
    current = (current as { readonly [key: PropertyKey]: unknown })[key]
  }
  return current
}

const entriesOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const providerRules = (provider: unknown, before: ReadonlyArray<unknown>): ReadonlyArray<Located> => {
  const out: Array<Located> = []
  const wrong = (key: string, detail: string) => out.push({ path: [key], detail })
  const given = (key: string) => read(provider, key) !== undefined
  const name = read(provider, "name")
  const kind = kindOf(provider)

  const twin = before.findIndex((other) => read(other, "name") === name)
  if (Predicate.isString(name) && twin >= 0) wrong("name", `duplicate of providers[${twin}].name`)
  if (given("apiKey") && given("apiKeys")) wrong("apiKeys", "give either apiKey or apiKeys, not both")
  if (given("simulated") && kind !== undefined && kind !== "simulated") {
    wrong("simulated", `only a provider of kind simulated has these settings, this one is ${kind}`)
  }

  const models = modelsOf(provider)
  for (const place of [["modelLimits"], ["pricing", "models"]]) {
    const named = read(provider, ...place)
    for (const model of Predicate.isObject(named) ? Object.keys(named) : []) {
      if (models === undefined || models.includes(model)) continue
      out.push({ path: [...place, model], detail: `is not a model of this provider; its models: ${models.join(", ")}` })
    }
  }

  for (const { detail, path } of pricingRules(read(provider, "pricing"))) {
    out.push({ path: ["pricing", ...path], detail })
  }

  switch (kind) {
    case undefined: {
      if (Predicate.isString(name) && !given("kind")) {
        wrong(
          "kind",
          `expected one of ${providerKinds.join(", ")}, because ${showValue(name)} is not a kind, got nothing`
        )
      }
      break
    }
    case "openai-compatible": {
      if (!given("baseUrl")) wrong("baseUrl", "expected a URL, which openai-compatible needs, got nothing")
      if (!given("model") && !given("models")) {
        wrong("model", "expected the model to use, which openai-compatible has no default for, got nothing")
      }
      break
    }
    case "openai":
    case "anthropic":
    case "google": {
      if (!given("apiKey") && !given("apiKeys") && !given("baseUrl")) {
        wrong("apiKey", `expected a key, which ${kind} needs, got nothing`)
      }
      if (kind !== "openai" && given("api") && read(provider, "api") !== "auto") {
        wrong("api", `only openai and openai-compatible have more than one API, this one is ${kind}`)
      }
      break
    }
    case "simulated":
      break
  }
  return out
}

const aliasRules = (document: unknown, providers: ReadonlyArray<unknown>): ReadonlyArray<Located> => {
  const aliases = read(document, "aliases")
  if (!Predicate.isObject(aliases)) return []
  const names = Object.keys(aliases)
  return names.flatMap((alias) => {
    const written = read(aliases, alias)
    const targets = Array.isArray(written) ? written : [written]
    const path = (index: number): Path => ["aliases", alias, ...(Array.isArray(written) ? [index] : [])]
    const reserved = aliasNameRule(alias, providers)
    const wrong = targets.flatMap((target, index) => {
      if (!Predicate.isString(target) || target.trim() === "") return []
      const detail = targetRule(target, names, providers)
      return detail === undefined ? [] : [{ path: path(index), detail }]
    })
    return reserved === undefined ? wrong : [{ path: ["aliases", alias], detail: reserved }, ...wrong]
  })
}

const weightRules = (document: unknown, providers: ReadonlyArray<unknown>): ReadonlyArray<Located> => {
  const weights = read(document, "routing", "weights")
  if (!Predicate.isObject(weights)) return []
  const names = providers.map((entry) => read(entry, "name")).filter(Predicate.isString)
  return Object.keys(weights)
    .filter((name) => !names.includes(name))
    .map((name) => ({
      path: ["routing", "weights", name],
      detail: `${showValue(name)} is not a provider; providers here: ${names.join(", ")}`
    }))
}

const aliasNameRule = (alias: string, providers: ReadonlyArray<unknown>): string | undefined => {
  if (alias.trim() === "") return "expected an alias with a name, got an empty one"
  const provider = providerBefore(alias, providers)
  return provider === undefined
    ? undefined
    : `${showValue(alias)} would hide a model of ${showValue(read(provider, "name"))}`
}

/** What is wrong with a target of an alias, if anything. */
const targetRule = (
  target: string,
  aliases: ReadonlyArray<string>,
  providers: ReadonlyArray<unknown>
): string | undefined => {
  if (aliases.includes(target)) return `${showValue(target)} is an alias itself; name the models`
  if (providers.some((provider) => servedBy(provider)?.includes(target))) return undefined
  const provider = providerBefore(target, providers)
  if (provider !== undefined) {
    const models = modelsOf(provider)
    const model = target.slice(target.indexOf("/") + 1)
    if (model === "") return `${showValue(target)} names no model`
    if (models === undefined || models.includes(model)) return undefined
    return `${showValue(read(provider, "name"))} does not serve ${showValue(model)}; its models: ${models.join(", ")}`
  }
  const names = providers.map((entry) => read(entry, "name")).filter(Predicate.isString)
  if (target.includes("/")) {
    return `${showValue(target.slice(0, target.indexOf("/")))} is not a provider; providers here: ${names.join(", ")}`
  }
  const anyModel = providers.some((entry) => modelsOf(entry) === undefined)
  return anyModel ? undefined : `no provider serves ${showValue(target)}`
}

const servedBy = (provider: unknown): ReadonlyArray<string> | undefined => {
  const model = read(provider, "model")
  return modelsOf(provider) ?? (Predicate.isString(model) ? [model] : undefined)
}

/** The provider that is named before the first slash. */
const providerBefore = (model: string, providers: ReadonlyArray<unknown>): unknown => {
  const slash = model.indexOf("/")
  return slash < 0 ? undefined : providers.find((provider) => read(provider, "name") === model.slice(0, slash))
}

/** Both models of the semantic cache are those of a provider of this configuration. */
const semanticRules = (document: unknown, providers: ReadonlyArray<unknown>): ReadonlyArray<Located> =>
  ["embedder", "judge"].flatMap((field) => {
    const model = read(document, "cache", "semantic", field)
    if (!Predicate.isString(model) || model.trim() === "" || (field === "embedder" && model === "lexical")) return []
    if (providerBefore(model, providers) !== undefined && !model.endsWith("/")) return []
    const expected = field === "embedder" ? "lexical or provider/model" : "provider/model"
    const detail = `expected ${expected} with a provider of this configuration, got ${showValue(model)}`
    return [{ path: ["cache", "semantic", field], detail }]
  })

/** Each of the two files has its own schema, and a thread that writes it alone. */
const cacheStoreRule = (document: unknown): ReadonlyArray<Located> => {
  const store = read(document, "cache", "store")
  const database = read(document, "storage", "database") ?? "sqlite:./millrace.db"
  if (!Predicate.isString(store) || store === "memory" || store !== database) return []
  return [{ path: ["cache", "store"], detail: `expected a file of its own, got that of storage.database` }]
}

const unsupportedRules = (document: unknown): ReadonlyArray<Located> =>
  unsupported.flatMap((row) =>
    expand(document, row.path).flatMap(({ path, value }) => {
      if (!row.refuses(value)) return []
      const shown = row.named ?? showValue(value)
      return [{ path, detail: `${shown} is not available in this version; ${row.instead}` }]
    })
  )

/** Every place of a document that a path with `*` stands for. */
const expand = (
  document: unknown,
  pattern: ReadonlyArray<string>
): ReadonlyArray<{ readonly path: Path; readonly value: unknown }> => {
  let places: ReadonlyArray<{ readonly path: Path; readonly value: unknown }> = [{ path: [], value: document }]
  for (const key of pattern) {
    places = places.flatMap(({ path, value }) =>
      key === "*"
        ? entriesOf(value).map((entry, index) => ({ path: [...path, index], value: entry }))
        : [{ path: [...path, key], value: key === "kind" ? kindOf(value) : read(value, key) }]
    )
  }
  return places
}

/** A rule is left out where the schema has already found the same field, or one around it, to be wrong. */
export const withoutRepeats = (
  found: ReadonlyArray<Located>,
  rules: ReadonlyArray<Located>
): ReadonlyArray<Located> => {
  const paths = new Set(found.map((entry) => formatPath(entry.path)))
  return rules.filter((rule) => !rule.path.some((_, index) => paths.has(formatPath(rule.path.slice(0, index + 1)))))
}
