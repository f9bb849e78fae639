/** A real S3 server, for other tools. */
export { NoGatewayError } from './gateway-packages.ts'
export { openServer } from './server.ts'
export type { S3Server } from './server.ts'
export { TestServer } from './test-server.ts'
