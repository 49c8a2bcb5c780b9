"use client"

import { setNonce } from "get-nonce"

/** Hands the page's nonce to the primitives that write a style element of their own. */
export function Nonce({ value }: { readonly value: string }) {
  if (typeof window !== "undefined") setNonce(value)
  return null
}
