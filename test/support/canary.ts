/**
 * Texts that may never come back: keys in no answer, prompts in no error and no log line.
 */
export const canaryKey = "sk-canary-4f1d0a7be26c49d5"
export const canaryPrompt = "canary prompt about the blue heron"
