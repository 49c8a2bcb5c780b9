"use client"

import { useState, type ReactNode } from "react"

interface WhenSeenProps {
  /** Classes of what stands in its place until then, such as its height. */
  readonly className: string
  readonly children: ReactNode
}

/** What lies below the first screen: rendered, with its code and its questions, once it comes into view. */
export function WhenSeen({ className, children }: WhenSeenProps) {
  const [seen, setSeen] = useState(false)
  const watch = (element: HTMLDivElement) => {
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) setSeen(true)
    })
    observer.observe(element)
    return () => observer.disconnect()
  }
  return seen ? children : <div ref={watch} className={className} />
}
