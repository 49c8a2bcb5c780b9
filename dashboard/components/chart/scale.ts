import { nice, ticks } from "d3-array"

/** Round figures from zero to one that nothing exceeds. */
export const roundScale = (highest: number, count: number): Array<number> => {
  const [, top] = nice(0, highest > 0 ? highest : 1, count)
  return ticks(0, top, count)
}
