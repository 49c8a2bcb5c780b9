/**
 * Recorded answers of every provider, asked for in the dialect of `openai-responses` and read by that vendor's own SDK.
 */
import { recordedSuite } from "./RecordedSuite.ts"
import { responsesReader } from "./SdkReaders.ts"

recordedSuite("openai-responses", (url) => responsesReader(`${url}/v1`))
