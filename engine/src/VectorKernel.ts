/**
 * The inner loop of the vector index in WebAssembly SIMD: coarse scores of 4-bit rows against one query.
 *
 * `VectorKernel.wat` beside this file is its source; the bytes here are that file assembled (`wat2wasm` of the package
 * `wabt`), committed so that nobody needs an assembler, and a test assembles the source again and compares. It has no
 * state of its own: the memory is its caller's.
 */

/**
 * Writes `scales[slot] * (16 * dot(query, high nibbles) - bias)` as f32 to `out` for each of `count` slots (u32; `count` a
 * multiple of 4). `slots`, `query`, `rows`, `scales` and `out` are byte addresses; `half` is the bytes of a row's high
 * nibbles, a multiple of 64. The layout of rows is described in the source.
 */
export type Score = (
  slots: number,
  count: number,
  query: number,
  bias: number,
  rows: number,
  half: number,
  scales: number,
  out: number
) => void

/** WebAssembly as far as it is used here; Node's types leave it to the DOM's, which the engine is compiled without. */
interface Wasm {
  readonly Memory: new (size: { readonly initial: number; readonly maximum: number }) => WasmMemory
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: { readonly [name: string]: unknown } }
}

/** Pages of 64 kB; growing takes the buffer away from the views that were made before. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer
  readonly grow: (pages: number) => number
}

const { Instance, Memory, Module } = (globalThis as unknown as { readonly WebAssembly: Wasm }).WebAssembly

let compiled: object | undefined

/** A memory, and the kernel over it. The kernel is compiled once, when it is first asked for. */
export const makeKernel = (pages: number): { readonly memory: WasmMemory; readonly score: Score } => {
  compiled ??= new Module(Buffer.from(kernelBase64, "base64"))
  const memory = new Memory({ initial: pages, maximum: 65_536 })
  return { memory, score: new Instance(compiled, { index: { memory } }).exports["score"] as Score }
}

export const kernelBase64 =
  "AGFzbQEAAAABIARgAXsBf2ADf39/AX9gBHt/f38BfWAIf39/f39/f38AAhEBBWluZGV4Bm1lbW9yeQIAAQMFBAABAgMHCQEFc2NvcmUAAwruBQQZACAA/RsAIAD9GwFqIAD9GwIgAP0bA2pqCxgAIAEgAiAAQYB/cUEBdCAAQf8AcWpsagsZACAAEABBBHQgA2uyIAIgAUECdGoqAgCUC54FAgx/DHv9DA8PDw8PDw8PDw8PDw8PDw8hFyAAIAFBAnRqIQggAiAFQQF0aiESAkADQCAAIAhPDQEgACgCACEJIAAoAgQhCiAAKAIIIQsgACgCDCEMIAkgBCAFEAEhDSAKIAQgBRABIQ4gCyAEIAUQASEPIAwgBCAFEAEhEP0MAAAAAAAAAAAAAAAAAAAAACEc/QwAAAAAAAAAAAAAAAAAAAAAIR39DAAAAAAAAAAAAAAAAAAAAAAhHv0MAAAAAAAAAAAAAAAAAAAAACEfIAIhEQNA/QwAAAAAAAAAAAAAAAAAAAAAIRj9DAAAAAAAAAAAAAAAAAAAAAAhGf0MAAAAAAAAAAAAAAAAAAAAACEa/QwAAAAAAAAAAAAAAAAAAAAAIRsgEUGAAWohEwNAIBH9AAQAIRQgEf0ABBAhFSAN/QAEACEWIBggFCAWIBf9Tv2SAiAVIBZBBP2NASAX/U79kgL9jgH9jgEhGCAO/QAEACEWIBkgFCAWIBf9Tv2SAiAVIBZBBP2NASAX/U79kgL9jgH9jgEhGSAP/QAEACEWIBogFCAWIBf9Tv2SAiAVIBZBBP2NASAX/U79kgL9jgH9jgEhGiAQ/QAEACEWIBsgFCAWIBf9Tv2SAiAVIBZBBP2NASAX/U79kgL9jgH9jgEhGyANQRBqIQ0gDkEQaiEOIA9BEGohDyAQQRBqIRAgEUEgaiERIBEgE0kNAAsgHCAY/X79rgEhHCAdIBn9fv2uASEdIB4gGv1+/a4BIR4gHyAb/X79rgEhHyARIBJJDQALIAcgHCAJIAYgAxACOAIAIAcgHSAKIAYgAxACOAIEIAcgHiALIAYgAxACOAIIIAcgHyAMIAYgAxACOAIMIABBEGohACAHQRBqIQcMAAsLCw=="
