/**
 * The scales that charts are drawn with. Recharts asks for all of d3-scale by name; the bundler gives it these in its place
 * (`next.config.ts`), which leaves out calendars, logarithms and colour ramps that no chart here has.
 */
export { scaleBand, scaleLinear, scalePoint } from "d3-scale"
