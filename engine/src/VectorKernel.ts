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
  "AGFzbQEAAAABIARgAXsBf2ADf39/AX9gBHt/f38BfWAIf39/f39/f38AAhEBBWluZGV4Bm1lbW9yeQIAAQMFBAABAgMHCQEFc2NvcmUAAwrJCQQZACAA/RsAIAD9GwFqIAD9GwIgAP0bA2pqCxgAIAEgAiAAQYB/cUEBdCAAQf8AcWpsagsZACAAEABBBHQgA2uyIAIgAUECdGoqAgCUC/kIAgt/DHv9DA8PDw8PDw8PDw8PDw8PDw8hFiAAIAFBAnRqIQggAiAFQQF0aiESAkADQCAAIAhPDQEgACgCACEJIAAoAgQhCiAAKAIIIQsgACgCDCEMIAkgBCAFEAEhDSAKIAQgBRABIQ4gCyAEIAUQASEPIAwgBCAFEAEhEP0MAAAAAAAAAAAAAAAAAAAAACEb/QwAAAAAAAAAAAAAAAAAAAAAIRz9DAAAAAAAAAAAAAAAAAAAAAAhHf0MAAAAAAAAAAAAAAAAAAAAACEeIAIhEQNAIBH9AAQAIRMgEf0ABBAhFCAN/QAEACEVIBMgFSAW/U79kgIgFCAVQQT9jQEgFv1O/ZIC/Y4BIRcgDv0ABAAhFSATIBUgFv1O/ZICIBQgFUEE/Y0BIBb9Tv2SAv2OASEYIA/9AAQAIRUgEyAVIBb9Tv2SAiAUIBVBBP2NASAW/U79kgL9jgEhGSAQ/QAEACEVIBMgFSAW/U79kgIgFCAVQQT9jQEgFv1O/ZIC/Y4BIRogEf0ABCAhEyAR/QAEMCEUIA39AAQQIRUgFyATIBUgFv1O/ZICIBQgFUEE/Y0BIBb9Tv2SAv2OAf2OASEXIA79AAQQIRUgGCATIBUgFv1O/ZICIBQgFUEE/Y0BIBb9Tv2SAv2OAf2OASEYIA/9AAQQIRUgGSATIBUgFv1O/ZICIBQgFUEE/Y0BIBb9Tv2SAv2OAf2OASEZIBD9AAQQIRUgGiATIBUgFv1O/ZICIBQgFUEE/Y0BIBb9Tv2SAv2OAf2OASEaIBH9AARAIRMgEf0ABFAhFCAN/QAEICEVIBcgEyAVIBb9Tv2SAiAUIBVBBP2NASAW/U79kgL9jgH9jgEhFyAO/QAEICEVIBggEyAVIBb9Tv2SAiAUIBVBBP2NASAW/U79kgL9jgH9jgEhGCAP/QAEICEVIBkgEyAVIBb9Tv2SAiAUIBVBBP2NASAW/U79kgL9jgH9jgEhGSAQ/QAEICEVIBogEyAVIBb9Tv2SAiAUIBVBBP2NASAW/U79kgL9jgH9jgEhGiAR/QAEYCETIBH9AARwIRQgDf0ABDAhFSAXIBMgFSAW/U79kgIgFCAVQQT9jQEgFv1O/ZIC/Y4B/Y4BIRcgDv0ABDAhFSAYIBMgFSAW/U79kgIgFCAVQQT9jQEgFv1O/ZIC/Y4B/Y4BIRggD/0ABDAhFSAZIBMgFSAW/U79kgIgFCAVQQT9jQEgFv1O/ZIC/Y4B/Y4BIRkgEP0ABDAhFSAaIBMgFSAW/U79kgIgFCAVQQT9jQEgFv1O/ZIC/Y4B/Y4BIRogDUHAAGohDSAOQcAAaiEOIA9BwABqIQ8gEEHAAGohECARQYABaiERIBsgF/1+/a4BIRsgHCAY/X79rgEhHCAdIBn9fv2uASEdIB4gGv1+/a4BIR4gESASSQ0ACyAHIBsgCSAGIAMQAjgCACAHIBwgCiAGIAMQAjgCBCAHIB0gCyAGIAMQAjgCCCAHIB4gDCAGIAMQAjgCDCAAQRBqIQAgB0EQaiEHDAALCws="
