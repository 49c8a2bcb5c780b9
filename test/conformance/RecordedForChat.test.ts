/**
 * Recorded answers of every provider, asked for in the dialect of `openai-chat` and read by that vendor's own SDK.
 */
import { recordedSuite } from "./RecordedSuite.ts"
import { chatReader } from "./SdkReaders.ts"

recordedSuite("openai-chat", (url) => chatReader(`${url}/v1`))
