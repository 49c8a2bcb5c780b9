/**
 * Panels and dashboards as Grafana stores them: what ours have in common, and where panels go.
 *
 * Every dashboard has a variable for the data source, the deployment (`job`), providers and models, and links to its
 * sisters. Colours say good, doubtful and bad; a line without a target has Grafana's own colours.
 */
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  type Dashboard,
  DashboardCursorSync,
  FieldColorModeId,
  GraphDrawStyle,
  type GraphFieldConfig,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  MappingType,
  type Panel,
  PercentChangeColorMode,
  type RowPanel,
  SortOrder,
  StackingMode,
  type ThresholdsConfig,
  ThresholdsMode,
  TooltipDisplayMode,
  type VariableModel,
  VariableRefresh,
  VariableSort,
  VisibilityMode,
  type VizLegendOptions,
  VizOrientation
} from "@grafana/schema"
import type { Options as StateOptions } from "@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen"
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen"
import type { Options as SeriesOptions } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen"
import type { MetricName } from "../engine/src/MetricDefinitions.ts"
import type { Kpi } from "./operations-objectives.ts"
import { among, promql } from "./operations-promql.ts"

const datasource = { type: "prometheus", uid: "${datasource}" }

/** Queries of panels: the deployment, providers and models that the dashboard's variables choose. */
export const chosen = promql({
  everywhere: { job: among("$job"), provider: among("$provider"), model: among("$model") }
})

/** Units of Grafana's. */
export const perSecond = "reqps"
export const share = "percentunit"
export const usd = "currencyUSD"

/** Long enough for four scrapes, whatever the panel's resolution. */
export const rateWindow = "$__rate_interval"

/** The time range that is shown. */
export const range = "$__range"

/** A series that is not one of Millrace's metrics: recorded, or of the process, for the chosen deployments. */
export const other = (name: string, matchers = ""): string => `${name}{job=~"$job"${matchers}}`

export interface PanelQuery {
  readonly expr: string
  /** `{{label}}` is replaced by its value. */
  readonly legend: string
}

export interface PanelSpec {
  readonly title: string
  readonly description: string
  /** A unit of Grafana's. */
  readonly unit: string
  readonly queries: ReadonlyArray<PanelQuery>
  /** Of 24 columns. */
  readonly width?: number
  readonly make: (spec: PanelSpec) => Panel
  readonly thresholds?: ThresholdsConfig
}

interface Section {
  readonly title: string
  readonly panels: ReadonlyArray<PanelSpec>
}

const steps = (...pairs: ReadonlyArray<readonly [color: string, from: number | null]>): ThresholdsConfig => ({
  mode: ThresholdsMode.Absolute,
  steps: pairs.map(([color, value]) => ({ color, value }))
})

export const below = (target: number) => steps(["green", null], ["red", target])
export const above = (target: number) => steps(["red", null], ["green", target])
export const doubtful = (from: number, bad: number) => steps(["green", null], ["yellow", from], ["red", bad])
const neutral = steps(["blue", null])

const panelOf = (type: string, { description, queries, title }: PanelSpec): Panel => ({
  type,
  title,
  description,
  datasource,
  targets: queries.map(({ expr, legend }, index) => ({
    refId: String.fromCodePoint(65 + index),
    datasource,
    expr,
    legendFormat: legend,
    range: type !== "stat" && type !== "bargauge",
    instant: type === "stat" || type === "bargauge"
  }))
})

const reduceOptions = { calcs: ["lastNotNull"], fields: "", values: false }

/** A figure, by what the legend names. */
export const stat = (spec: PanelSpec): Panel => {
  const options: StatOptions = {
    colorMode: BigValueColorMode.Value,
    graphMode: BigValueGraphMode.None,
    justifyMode: BigValueJustifyMode.Auto,
    orientation: VizOrientation.Auto,
    percentChangeColorMode: PercentChangeColorMode.Standard,
    reduceOptions,
    showPercentChange: false,
    textMode: BigValueTextMode.Auto,
    wideLayout: true
  }
  return {
    ...panelOf("stat", spec),
    options: { ...options },
    fieldConfig: {
      defaults: {
        unit: spec.unit,
        thresholds: spec.thresholds ?? neutral,
        color: { mode: FieldColorModeId.Thresholds }
      },
      overrides: []
    }
  }
}

const legend: VizLegendOptions = {
  // Grafana exports two enums of this name and these values.
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
  displayMode: LegendDisplayMode.List,
  placement: "bottom",
  showLegend: true,
  calcs: []
}

const series =
  (more: GraphFieldConfig) =>
  (spec: PanelSpec): Panel => {
    const options: SeriesOptions = {
      legend,
      tooltip: { mode: TooltipDisplayMode.Multi, sort: SortOrder.Descending }
    }
    const custom: GraphFieldConfig = {
      drawStyle: GraphDrawStyle.Line,
      lineWidth: 1,
      fillOpacity: 10,
      spanNulls: false,
      thresholdsStyle: {
        mode: spec.thresholds === undefined ? GraphThresholdsStyleMode.Off : GraphThresholdsStyleMode.Dashed
      },
      ...more
    }
    return {
      ...panelOf("timeseries", spec),
      options: { ...options },
      fieldConfig: {
        defaults: {
          unit: spec.unit,
          min: 0,
          custom: { ...custom },
          ...(spec.thresholds === undefined ? {} : { thresholds: spec.thresholds })
        },
        overrides: []
      }
    }
  }

/** Lines over time. */
export const lines = series({})

/** Amounts over time that add up. */
export const stacked = series({ fillOpacity: 40, stacking: { mode: StackingMode.Normal, group: "A" } })

/** Circuits over time: closed, half open, open. */
export const states = (spec: PanelSpec): Panel => {
  const options: StateOptions = {
    mergeValues: true,
    rowHeight: 0.9,
    showValue: VisibilityMode.Auto,
    legend,
    tooltip: { mode: TooltipDisplayMode.Single, sort: SortOrder.None }
  }
  const named = { "0": ["closed", "green"], "1": ["half open", "yellow"], "2": ["open", "red"] } as const
  const mapped = Object.entries(named).map(([value, [text, color]], index) => [value, { text, color, index }] as const)
  return {
    ...panelOf("state-timeline", spec),
    options: { ...options },
    fieldConfig: {
      defaults: {
        unit: spec.unit,
        mappings: [{ type: MappingType.ValueToText, options: Object.fromEntries(mapped) }],
        color: { mode: FieldColorModeId.Thresholds },
        thresholds: doubtful(1, 2)
      },
      overrides: []
    }
  }
}

/** One of the plan's figures beside its target. */
export const kpiPanel = ({ description, record, should, target, title, unit }: Kpi): PanelSpec => ({
  title,
  description,
  unit,
  width: 4,
  make: stat,
  queries: [{ expr: other(record), legend: "{{job}}" }],
  thresholds: should === "below" ? below(target) : above(target)
})

const valuesOf = (metric: MetricName, label: string, where: string): string =>
  `label_values(${metric}${where}, ${label})`

const variable = (name: string, label: string, query: string): VariableModel => ({
  type: "query",
  name,
  label,
  datasource,
  query: { query, refId: name },
  refresh: VariableRefresh.onTimeRangeChanged,
  sort: VariableSort.alphabeticalAsc,
  includeAll: true,
  multi: true,
  allValue: ".*",
  current: { text: ["All"], value: ["$__all"] }
})

const variables: Array<VariableModel> = [
  {
    type: "datasource",
    name: "datasource",
    label: "Data source",
    query: "prometheus",
    current: { text: "Prometheus", value: "prometheus" }
  },
  variable("job", "Deployment", valuesOf("ai_build_info", "job", "")),
  variable("provider", "Provider", valuesOf("ai_requests_total", "provider", '{job=~"$job"}')),
  variable("model", "Model", valuesOf("ai_requests_total", "model", '{job=~"$job", provider=~"$provider"}'))
]

const statHeight = 4
const seriesHeight = 8
const columns = 24

/** Rows of panels from the top, each row filled from the left. */
const placed = (sections: ReadonlyArray<Section>): Array<Panel | RowPanel> => {
  const panels: Array<Panel | RowPanel> = []
  let id = 0
  let y = 0
  for (const { panels: specs, title } of sections) {
    panels.push({ id: ++id, type: "row", title, collapsed: false, gridPos: { x: 0, y, w: columns, h: 1 }, panels: [] })
    y += 1
    let x = 0
    let height = 0
    for (const spec of specs) {
      const w = spec.width ?? 8
      const h = spec.make === stat ? statHeight : seriesHeight
      if (x + w > columns) {
        y += height
        x = height = 0
      }
      panels.push({ ...spec.make(spec), id: ++id, gridPos: { x, y, w, h } })
      x += w
      height = Math.max(height, h)
    }
    y += height
  }
  return panels
}

export const dashboard = (
  uid: string,
  title: string,
  description: string,
  sections: ReadonlyArray<Section>
): Dashboard => ({
  uid,
  title,
  description,
  tags: ["millrace"],
  schemaVersion: 41,
  version: 1,
  editable: true,
  graphTooltip: DashboardCursorSync.Crosshair,
  refresh: "30s",
  time: { from: "now-6h", to: "now" },
  timezone: "browser",
  templating: { list: variables },
  annotations: { list: [] },
  links: [
    {
      type: "dashboards",
      title: "Millrace",
      tags: ["millrace"],
      icon: "external link",
      tooltip: "The other dashboards of Millrace, for the same time and choice",
      asDropdown: false,
      includeVars: true,
      keepTime: true,
      targetBlank: false
    }
  ],
  panels: placed(sections)
})
