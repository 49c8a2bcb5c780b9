"use client"

import { Download } from "lucide-react"
import { Button } from "@/components/ui/button"
import { csvOf, type CsvColumn } from "@/lib/csv"
import { saveFile } from "@/lib/save-file"

interface CsvButtonProps<Row> {
  /** Name of the file, without its ending. */
  readonly name: string
  readonly columns: ReadonlyArray<CsvColumn<Row>>
  readonly rows: ReadonlyArray<Row>
  /** What it saves, where a page has several. */
  readonly of?: string
}

/** Saves the rows that are shown as a file. */
export function CsvButton<Row>({ name, columns, rows, of }: CsvButtonProps<Row>) {
  return (
    <Button
      size="sm"
      disabled={rows.length === 0}
      title="Save what is shown as a CSV file"
      {...(of === undefined ? {} : { "aria-label": `CSV of ${of}` })}
      onClick={() => saveFile(`${name}.csv`, "text/csv;charset=utf-8", csvOf(columns, rows))}
    >
      <Download />
      CSV
    </Button>
  )
}
