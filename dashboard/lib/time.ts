/** Moments in the reader's own time zone. */

const clockTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const shortTime = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" })
const dayTime = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" })
const dayOfYear = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" })
const full = new Intl.DateTimeFormat("en-GB", {
  weekday: "short",
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  timeZoneName: "short"
})

/** `14:03:22` */
export const formatClock = (epochMs: number) => clockTime.format(epochMs)

/** `Sun, 22 Nov 2026, 14:03:22 GMT+1` */
export const formatFull = (epochMs: number) => full.format(epochMs)

/** `22 Nov, 14:03` */
export const formatDayTime = (epochMs: number) => dayTime.format(epochMs)

/** `22 Nov, 14:03 – 14:04`, with both days where they differ. */
export const formatSpan = (fromMs: number, toMs: number) =>
  day.format(fromMs) === day.format(toMs)
    ? `${dayTime.format(fromMs)} – ${shortTime.format(toMs)}`
    : `${dayTime.format(fromMs)} – ${dayTime.format(toMs)}`

/** `2026-11-22T14:03` in the reader's time zone, as a field for a time takes it. */
export const formatInput = (epochMs: number) => {
  const offsetMs = new Date(epochMs).getTimezoneOffset() * 60_000
  return new Date(epochMs - offsetMs).toISOString().slice(0, 16)
}

/** The label of a bucket on a time axis: the time, or the day where a new one begins. */
export const formatBucket = (epochMs: number, bucket: "minute" | "hour" | "day") => {
  const date = new Date(epochMs)
  const startsDay = date.getHours() === 0 && date.getMinutes() === 0
  return bucket === "day" || startsDay ? day.format(date) : shortTime.format(date)
}

/** `22 Nov 2026` */
export const formatDay = (epochMs: number) => dayOfYear.format(epochMs)

/** `just now`, `8 s ago`, `3 min ago`, `5 h ago`, `12 d ago` */
export const formatAge = (ageMs: number) => {
  const seconds = Math.max(0, Math.round(ageMs / 1000))
  if (seconds < 2) return "just now"
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (seconds < 86_400 * 2) return `${Math.floor(seconds / 3600)} h ago`
  return `${Math.floor(seconds / 86_400)} d ago`
}
