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
