"use client"

import { Users } from "lucide-react"
import type { GroupBy } from "millrace/admin-api"
import { Answer } from "@/components/answer"
import { CsvButton } from "@/components/csv-button"
import { EmptyState } from "@/components/states"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import type { Range } from "@/features/usage/range"
import { useUsage, type UsageFilters } from "@/features/usage/use-usage"
import { cutText, groupCsv, GroupTable, tableRows } from "./group-table"
import type { Metric } from "./metrics"
import { useGroups } from "./use-groups"

interface LargestProps {
  readonly title: string
  readonly groupBy: GroupBy
  readonly range: Range
  readonly metric: Metric
  readonly filters: UsageFilters
}

/** Whose usage it is: the keys, or the tenants, with the highest figure. */
export function Largest({ title, groupBy, range, metric, filters }: LargestProps) {
  const usage = useUsage(range, { filters, groupBy, sumsOnly: true })
  const groups = useGroups(usage.data, groupBy, metric, filters)
  return (
    <Card aria-labelledby={`by-${groupBy}`} className="overflow-hidden">
      <CardHeader
        id={`by-${groupBy}`}
        title={title}
        note={usage.data === undefined ? null : cutText(groupBy, groups.length)}
      >
        <CsvButton
          of={groupBy === "key" ? "the keys" : "the tenants"}
          name={`usage-by-${groupBy}`}
          columns={groupCsv(groupBy)}
          rows={groups.slice(0, tableRows)}
        />
      </CardHeader>
      <Answer query={usage} what={title} skeleton={<Skeleton className="mx-5 mb-5 h-40" />}>
        {({ report }) =>
          groups.length === 0 ? (
            <EmptyState icon={Users} title="No requests in this time" />
          ) : (
            <GroupTable
              label={title}
              groupBy={groupBy}
              metric={metric}
              groups={groups}
              total={metric.valueOf(report.totals)}
              range={range}
              filters={filters}
              narrow
            />
          )
        }
      </Answer>
    </Card>
  )
}
