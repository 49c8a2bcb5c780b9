/**
 * URLs of provider endpoints from the base URL in the configuration.
 *
 * A base URL is what the provider's own SDK calls so. Slashes at its end are ignored, a query (`?api-version=…`) goes
 * to the end of the result, a fragment is dropped. It comes from the configuration alone, never from a request.
 */

interface Split {
  readonly origin: string
  readonly path: string
  readonly query: string
}

/** For APIs whose base URL ends with a version: a bare origin gets `root`, a path is taken as it is. */
export const versionedUrl = (baseUrl: string, resource: string, root = "/v1"): string => {
  const { origin, path, query } = split(baseUrl)
  return `${origin}${path === "" ? root : path}${resource}${query}`
}

/** For APIs whose resource names the version: a `version` at the end of the path is not doubled. */
export const unversionedUrl = (baseUrl: string, version: string, resource: string): string => {
  const { origin, path, query } = split(baseUrl)
  return `${origin}${path.replace(trailingVersion, "")}${version}${resource}${query}`
}

/**
 * For Gemini: `…/models/{model}:{operation}` under `/v1beta`, or under the version that stands inside the path, as in
 * Vertex AI's `/v1/projects/…/publishers/google`. Undefined for a model that would leave the path.
 */
export const modelUrl = (baseUrl: string, model: string, operation: string, parameter: string): string | undefined => {
  const { origin, path, query } = split(baseUrl)
  const bare = path.replace(trailingVersion, "")
  const versioned = /\/v\d+(?:alpha|beta)?\d*(?:\/|$)/.test(bare) ? bare : `${bare}/v1beta`
  const segments = (/^(?:models|tunedModels|publishers)\//.test(model) ? model : `models/${model}`).split("/")
  if (segments.some((segment) => segment === "" || segment === "." || segment === "..")) return undefined
  const all = parameter === "" ? query : `${query === "" ? "?" : `${query}&`}${parameter}`
  return `${origin}${versioned}/${segments.map((segment) => encodeURIComponent(segment.toWellFormed())).join("/")}:${operation}${all}`
}

/** The version that an API's own SDK adds by itself. */
const trailingVersion = /\/v1(?:beta)?$/

const split = (baseUrl: string): Split => {
  const [, origin = "", path = "", query = ""] = /^([a-z]+:\/\/[^/?#]*)([^?#]*)(\?[^#]*)?/i.exec(baseUrl) ?? []
  let end = path.length
  while (end > 0 && path.charCodeAt(end - 1) === 0x2f) end--
  return { origin, path: path.slice(0, end), query }
}
