"use client"

import { Code } from "lucide-react"
import { useState } from "react"
import { Popover } from "@/components/popover"
import { CommandLine } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Segmented } from "@/components/ui/segmented"
import { snippetKinds, snippetLabels, snippetOf, type SnippetInput, type SnippetKind } from "./snippets"

const options = snippetKinds.map((value) => ({ value, label: snippetLabels[value] }))

interface CopyAsProps {
  /** Undefined while the form has something wrong in it. */
  readonly input: SnippetInput | undefined
}

/** The call as code, to be copied. */
export function CopyAs({ input }: CopyAsProps) {
  const [kind, setKind] = useState<SnippetKind>("curl")
  return (
    <Popover
      label="Copy the call as code"
      trigger={(props) => (
        <Button size="sm" {...props}>
          <Code />
          Copy as
        </Button>
      )}
    >
      {() => (
        <div className="w-[36rem] max-w-full space-y-3">
          <Segmented label="Language" value={kind} options={options} onChange={setKind} wide />
          {input === undefined ? (
            <p role="status" className="text-muted">
              The form has something wrong in it: press Send to see what.
            </p>
          ) : (
            <>
              <div className="max-h-96 overflow-y-auto" data-snippet={kind}>
                <CommandLine command={snippetOf(kind, input)} what="the code" />
              </div>
              <p className="text-xs text-muted">
                Goes through this gateway. Where keys are required, <code className="font-mono">MILLRACE_API_KEY</code>{" "}
                holds the secret of one.
                {input.cache !== "default" && (kind === "engine" || kind === "effect")
                  ? " The cache mode is that of the engine in the program; the gateway keeps to its own."
                  : null}
              </p>
            </>
          )}
        </div>
      )}
    </Popover>
  )
}
