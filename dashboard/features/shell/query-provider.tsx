"use client"

import { QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query"
import { useState, type ReactNode } from "react"
import { isTransient } from "@/features/gateway/failure"
import { failureOf, goToLogin } from "@/lib/api"

const makeClient = () =>
  new QueryClient({
    queryCache: new QueryCache({
      onError: (error) => {
        if (failureOf(error).kind === "unauthorized") goToLogin()
      }
    }),
    defaultOptions: {
      queries: {
        staleTime: 1000,
        retry: (count, error) => count < 2 && isTransient(failureOf(error)),
        networkMode: "always"
      }
    }
  })

export function QueryProvider({ children }: { readonly children: ReactNode }) {
  const [client] = useState(makeClient)
  return <QueryClientProvider client={client}>{children}</QueryClientProvider>
}
