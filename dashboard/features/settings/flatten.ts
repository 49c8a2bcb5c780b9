/** A configuration as one row for each value, with its path as in the file. */

export interface Setting {
  /** Such as `providers[0].rateLimits.concurrent`. */
  readonly path: string
  /** As JSON; a text without its quotes. */
  readonly value: string
  /** True for what is not set. */
  readonly unset: boolean
}

const isPlain = (value: unknown): value is string | number | boolean | null =>
  typeof value !== "object" || value === null

export const settingsOf = (value: unknown, path = ""): ReadonlyArray<Setting> => {
  if (isPlain(value)) {
    return [{ path, value: value === null ? "not set" : String(value), unset: value === null }]
  }
  if (Array.isArray(value)) {
    const items: ReadonlyArray<unknown> = value
    return items.length === 0
      ? [{ path, value: "none", unset: true }]
      : items.every(isPlain)
        ? [{ path, value: items.join(", "), unset: false }]
        : items.flatMap((item, index) => settingsOf(item, `${path}[${index}]`))
  }
  const fields = Object.entries(value as Record<string, unknown>)
  return fields.length === 0
    ? [{ path, value: "none", unset: true }]
    : fields.flatMap(([name, item]) => settingsOf(item, path === "" ? name : `${path}.${name}`))
}

/** The settings whose path or value has every word of a text. */
export const searchSettings = <S extends Setting>(settings: ReadonlyArray<S>, text: string): ReadonlyArray<S> => {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean)
  return settings.filter(({ path, value }) => {
    const whole = `${path} ${value}`.toLowerCase()
    return words.every((word) => whole.includes(word))
  })
}
