"use client"

import dynamic from "next/dynamic"
import { Skeleton } from "@/components/ui/skeleton"

const placeholder = () => <Skeleton className="h-58 w-full" />

/** The time chart, loaded beside the page: it is drawn in the browser only. */
export const TimeChart = dynamic(() => import("./time-chart").then((module) => module.TimeChart), {
  ssr: false,
  loading: placeholder
})

/** The waterfall of one request, loaded beside the page. */
export const WaterfallChart = dynamic(() => import("./waterfall-chart").then((module) => module.WaterfallChart), {
  ssr: false,
  loading: () => <Skeleton className="h-24 w-full" />
})

/** A heat map, loaded beside the page. */
export const HeatChart = dynamic(() => import("./heat-chart").then((module) => module.HeatChart), {
  ssr: false,
  loading: placeholder
})

/** A figure of the last minutes without axes, loaded beside the page. */
export const RecentChart = dynamic(() => import("./recent-chart").then((module) => module.RecentChart), {
  ssr: false,
  loading: () => <Skeleton className="h-9 w-full" />
})

/** Counts by ranges of a figure, loaded beside the page. */
export const HistogramChart = dynamic(() => import("./histogram-chart").then((module) => module.HistogramChart), {
  ssr: false,
  loading: placeholder
})
