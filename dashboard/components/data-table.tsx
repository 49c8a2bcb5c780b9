"use client"

import { clsx } from "clsx"
import { metaHelper, tableFeatures, useTable, type Cell, type ColumnHelper, type RowData } from "@tanstack/react-table"
import { useVirtualizer } from "@tanstack/react-virtual"
import { useRef } from "react"

interface ColumnLook {
  /** Figures are set to the right, so that their digits line up. */
  readonly align?: "right"
  /** Classes of the column's cells, such as its width. */
  readonly className?: string
}

/** The features that every table of the dashboard has. */
export const features = tableFeatures({ columnMeta: metaHelper<ColumnLook>() })

export type Columns<Row extends RowData> = ReturnType<ColumnHelper<typeof features, Row>["columns"]>

interface DataTableProps<Row extends RowData> {
  readonly label: string
  readonly rows: ReadonlyArray<Row>
  readonly columns: Columns<Row>
  readonly rowId: (row: Row) => string
  /** Opens a row by a click anywhere in it; a button in one of the cells makes that possible by keyboard. */
  readonly onOpen?: (row: Row) => void
  readonly openId?: string | null
  /** Narrower screens scroll the table sideways below this width, given as a class. */
  readonly minWidth?: string
  /** With a height, given as a class, the rows scroll inside and only those in view are rendered. */
  readonly height?: string
}

const rowHeightPx = 44
const overscan = 12

/** The table of the dashboard. Rows beyond the view are not rendered when it scrolls in itself. */
export function DataTable<Row extends RowData>({
  label,
  rows: data,
  columns,
  rowId,
  onOpen,
  openId,
  minWidth = "min-w-3xl",
  height
}: DataTableProps<Row>) {
  const scrollRef = useRef<HTMLDivElement>(null)
  const table = useTable({ features, columns, data, getRowId: rowId })
  const rows = table.getRowModel().rows
  const virtualizer = useVirtualizer({
    count: rows.length,
    enabled: height !== undefined,
    getScrollElement: () => scrollRef.current,
    estimateSize: () => rowHeightPx,
    overscan
  })
  const items = virtualizer.getVirtualItems()
  const inView = height === undefined ? rows : items.map((item) => rows[item.index]!)
  const above = items[0]?.start ?? 0
  const below = items.length === 0 ? 0 : virtualizer.getTotalSize() - items[items.length - 1]!.end

  return (
    <div
      ref={scrollRef}
      role="region"
      aria-label={label}
      tabIndex={0}
      className={clsx("relative overflow-auto outline-offset-[-2px]", height)}
    >
      <table
        aria-rowcount={rows.length + 1}
        className={clsx("w-full table-fixed border-separate border-spacing-0 text-[13px]", minWidth)}
      >
        <thead>
          {table.getHeaderGroups().map((group) => (
            <tr key={group.id}>
              {group.headers.map((header) => {
                const look = header.column.columnDef.meta
                return (
                  <th
                    key={header.id}
                    scope="col"
                    className={clsx(
                      "sticky top-0 z-10 h-9 border-y bg-surface px-3 text-xs font-medium text-muted first:pl-5 last:pr-5",
                      look?.align === "right" ? "text-right" : "text-left",
                      look?.className
                    )}
                  >
                    <table.FlexRender header={header} />
                  </th>
                )
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          <Spacer heightPx={above} />
          {inView.map((row) => (
            <tr
              key={row.id}
              aria-rowindex={row.index + 2}
              data-row={row.id}
              onClick={onOpen === undefined ? undefined : () => onOpen(row.original)}
              className={clsx(
                "group",
                onOpen !== undefined && "cursor-pointer hover:bg-subtle/60",
                row.id === openId && "bg-subtle"
              )}
            >
              {row.getAllCells().map((cell) => (
                <td
                  key={cell.id}
                  className={clsx(
                    "h-11 truncate border-b px-3 group-last:border-b-0 first:pl-5 last:pr-5",
                    cell.column.columnDef.meta?.align === "right" && "text-right tabular-nums",
                    cell.column.columnDef.meta?.className
                  )}
                >
                  <Drawn cell={cell} />
                </td>
              ))}
            </tr>
          ))}
          <Spacer heightPx={below} />
        </tbody>
      </table>
    </div>
  )
}

/**
 * A cell as its column draws it. The column's function is called, not made a component: as one it would be another whenever
 * the columns are, and with each reading an open menu would close and the focus of a link be lost.
 */
function Drawn<Row extends RowData>({ cell }: { readonly cell: Cell<typeof features, Row> }) {
  const { cell: draw } = cell.column.columnDef
  return typeof draw === "function" ? draw(cell.getContext()) : draw
}

/** Stands for the rows that are not in view. */
function Spacer({ heightPx }: { readonly heightPx: number }) {
  return heightPx === 0 ? null : (
    <tr aria-hidden>
      <td style={{ height: heightPx }} />
    </tr>
  )
}
