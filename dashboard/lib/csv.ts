/** Tables as CSV (RFC 4180): an empty cell is a figure that does not exist, and no text becomes a formula. */

export interface CsvColumn<Row> {
  readonly header: string
  readonly value: (row: Row) => string | number | null
}

/** A header and one line for each row. */
export const csvOf = <Row>(columns: ReadonlyArray<CsvColumn<Row>>, rows: ReadonlyArray<Row>): string =>
  [columns.map(({ header }) => cell(header)), ...rows.map((row) => columns.map(({ value }) => cell(value(row))))]
    .map((cells) => `${cells.join(",")}\r\n`)
    .join("")

/** Spreadsheets would run a text that begins like this. */
const formula = /^[=+\-@\t\r\n]/

const cell = (value: string | number | null): string => {
  if (value === null) return ""
  if (typeof value === "number") return String(value)
  const plain = formula.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}
