/**
 * The version of keys and records of the exact cache, by itself, so that a thread can read it and load nothing else.
 */

/** Changes with the shape of a record, and with the meaning of a key: what another version wrote is not read. */
export const recordVersion = 1
