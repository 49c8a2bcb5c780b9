"use client"

import type { Bucket, GroupBy } from "millrace/admin-api"
import { Label } from "@/components/ui/label"
import { Segmented } from "@/components/ui/segmented"
import { Select } from "@/components/ui/select"
import { Switch } from "@/components/ui/switch"
import { groupLabels } from "./group-table"
import { metricNames, metrics, type MetricName } from "./metrics"

export const groupings = ["none", "model", "provider", "tenant", "key", "status", "cache"] as const
export const tops = ["3", "5", "8"] as const

const topOptions = tops.map((value) => ({ value, label: `Top ${value}` }))

/** What the explorer shows, beside its range and filters. */
export interface Chosen {
  readonly metric: MetricName
  readonly groupBy: GroupBy | "none"
  /** null for the bucket that fits the range. */
  readonly bucket: Bucket | null
  readonly top: (typeof tops)[number]
  readonly cumulative: "yes" | null
}

interface ControlsProps {
  readonly chosen: Chosen
  readonly fits: Bucket
  /** Buckets that the range is not too long for. */
  readonly possible: ReadonlyArray<Bucket>
  readonly onChange: (changes: Partial<Chosen>) => void
}

/** Metric, grouping, bucket, how many groups, and whether they are summed up. */
export function Controls({ chosen, fits, possible, onChange }: ControlsProps) {
  const { adds } = metrics[chosen.metric]
  return (
    <div role="group" aria-label="What to show" className="flex flex-wrap items-center gap-2 border-b px-5 py-3">
      <Select
        aria-label="Metric"
        value={chosen.metric}
        compact
        onChange={(event) => onChange({ metric: event.target.value as MetricName })}
      >
        {metricNames.map((name) => (
          <option key={name} value={name}>
            {metrics[name].label}
          </option>
        ))}
      </Select>
      <Select
        aria-label="Group by"
        value={chosen.groupBy}
        compact
        onChange={(event) => onChange({ groupBy: event.target.value as Chosen["groupBy"] })}
      >
        {groupings.map((name) => (
          <option key={name} value={name}>
            {name === "none" ? "All together" : `by ${groupLabels[name].toLowerCase()}`}
          </option>
        ))}
      </Select>
      <Select
        aria-label="Bucket"
        value={chosen.bucket ?? ""}
        compact
        onChange={(event) => onChange({ bucket: possible.find((name) => name === event.target.value) ?? null })}
      >
        <option value="">per {fits} (fits)</option>
        {possible.map((name) => (
          <option key={name} value={name}>
            per {name}
          </option>
        ))}
      </Select>
      {chosen.groupBy === "none" ? null : (
        <Segmented
          label="Groups in the chart"
          value={chosen.top}
          options={topOptions}
          onChange={(top) => onChange({ top })}
        />
      )}
      <span className="flex items-center gap-2 pl-1">
        <Switch
          id="cumulative"
          checked={chosen.cumulative !== null && adds}
          disabled={!adds}
          onChange={(event) => onChange({ cumulative: event.target.checked ? "yes" : null })}
        />
        <Label htmlFor="cumulative">Cumulative</Label>
      </span>
    </div>
  )
}
