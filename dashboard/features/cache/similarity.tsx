"use client"

import type { SemanticStatus } from "millrace/admin-api"
import { ChartColumn } from "lucide-react"
import { useMemo, useState } from "react"
import { HistogramChart } from "@/components/chart"
import { Legend } from "@/components/chart-card"
import { CsvButton } from "@/components/csv-button"
import { EmptyState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Label } from "@/components/ui/label"
import type { CsvColumn } from "@/lib/csv"
import { exactCount, share, text } from "@/lib/format"
import { fromThreshold } from "./interval"

const series = [
  { key: "same", label: "Same answer", color: "var(--good)" },
  { key: "unclear", label: "Unclear", color: "var(--cancelled)" },
  { key: "different", label: "Different answer", color: "var(--bad)" }
] as const

const binCsv: ReadonlyArray<CsvColumn<SemanticStatus["histogram"][number]>> = [
  { header: "from", value: ({ from }) => from },
  { header: "hits", value: ({ hits }) => hits },
  { header: "same", value: ({ same }) => same },
  { header: "unclear", value: ({ unclear }) => unclear },
  { header: "different", value: ({ different }) => different }
]

/** Would-be hits by similarity, and what a threshold would serve of them. */
export function Similarity({ status }: { readonly status: SemanticStatus }) {
  const [threshold, setThreshold] = useState(Math.round(status.threshold * 20) / 20)
  const { histogram } = status
  const found = fromThreshold(histogram, threshold)
  const all = histogram.reduce((sum, { hits }) => sum + hits, 0)
  const bins = useMemo(
    () =>
      histogram.map(({ from, same, different, unclear }) => ({
        label: from.toFixed(2),
        values: { same, different, unclear }
      })),
    [histogram]
  )
  return (
    <Card aria-labelledby="similarity">
      <CardHeader id="similarity" title="Similarity of would-be hits" note="pairs that the gate let pass">
        <Legend entries={series} />
        <CsvButton of="the similarities" name="similarity-of-would-be-hits" columns={binCsv} rows={histogram} />
      </CardHeader>
      {all === 0 ? (
        <EmptyState icon={ChartColumn} title="No pair was compared yet">
          <p>In shadow mode, and for the share of hits that is held back, answers are compared as they come.</p>
        </EmptyState>
      ) : (
        <>
          <div className="px-3">
            <HistogramChart
              label="Would-be hits by similarity"
              bins={bins}
              series={series}
              markAt={threshold.toFixed(2)}
            />
          </div>
          <div className="flex flex-wrap items-center gap-x-6 gap-y-3 px-5 pt-3 pb-5 text-[13px]">
            <div className="flex items-center gap-3">
              <Label htmlFor="threshold">Threshold</Label>
              <input
                id="threshold"
                type="range"
                min={0}
                max={0.95}
                step={0.05}
                value={threshold}
                onChange={(event) => setThreshold(Number(event.target.value))}
                className="w-48 cursor-pointer accent-foreground"
              />
              <output htmlFor="threshold" className="w-9 font-medium tabular-nums">
                {threshold.toFixed(2)}
              </output>
            </div>
            <p data-threshold={threshold.toFixed(2)} className="text-muted tabular-nums">
              <span className="font-medium text-foreground">
                {exactCount(found.hits)} of {exactCount(all)}
              </span>{" "}
              would be served,{" "}
              {found.falseHits === null ? (
                "none of them was compared"
              ) : (
                <>
                  <span className="font-medium text-foreground">{text(share(found.falseHits.value))}</span> of the
                  compared ones wrongly (95 % interval {text(share(found.falseHits.low))} to{" "}
                  {text(share(found.falseHits.high))})
                </>
              )}
            </p>
          </div>
        </>
      )}
    </Card>
  )
}
