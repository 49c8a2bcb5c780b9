/**
 * Recorded answers of every provider, asked for in the dialect of `gemini` and read by that vendor's own SDK.
 */
import { recordedSuite } from "./RecordedSuite.ts"
import { geminiReader } from "./SdkReaders.ts"

recordedSuite("gemini", (url) => geminiReader(`${url}`))
