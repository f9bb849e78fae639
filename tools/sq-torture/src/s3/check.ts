/** A check of the store for S3 on a real server. */
import type { TestServer } from './test-server.ts'

/** A fact in the present tense, and a function that rejects if it does not hold. */
export interface Check {
  readonly name: string
  readonly run: (server: TestServer) => Promise<void>
}
