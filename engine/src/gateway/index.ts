/**
 * The gateway as a library: the HTTP door of an engine, to be mounted or served.
 */
export { type Gateway, type GatewayOptions, make } from "./Gateway.ts"
export { listen, ListenError, type ListenOptions } from "./Server.ts"
