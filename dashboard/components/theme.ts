/**
 * The colour theme: a cookie that the server reads, so that the first paint is right without a script. Without the
 * cookie CSS follows the system.
 */
export const themes = ["system", "light", "dark"] as const

export type Theme = (typeof themes)[number]

export const themeCookie = "millrace_theme"

export const readTheme = (value: string | undefined): Theme => themes.find((theme) => theme === value) ?? "system"
