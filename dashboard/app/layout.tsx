import { GeistMono } from "geist/font/mono"
import { GeistSans } from "geist/font/sans"
import type { Metadata, Viewport } from "next"
import { cookies, headers } from "next/headers"
import type { ReactNode } from "react"
import { Nonce } from "@/components/nonce"
import { readTheme, themeCookie } from "@/components/theme"
import "./globals.css"

export const metadata: Metadata = {
  title: { default: "Millrace", template: "%s · Millrace" },
  description: "Operator's dashboard of the Millrace gateway",
  robots: { index: false, follow: false }
}

export const viewport: Viewport = { colorScheme: "light dark" }

export default async function RootLayout({ children }: { readonly children: ReactNode }) {
  const theme = readTheme((await cookies()).get(themeCookie)?.value)
  const nonce = (await headers()).get("x-nonce")
  return (
    <html
      lang="en"
      className={`${GeistSans.variable} ${GeistMono.variable}`}
      {...(theme === "system" ? {} : { "data-theme": theme })}
    >
      <body className="min-h-dvh font-sans">
        {nonce === null ? null : <Nonce value={nonce} />}
        {children}
      </body>
    </html>
  )
}
