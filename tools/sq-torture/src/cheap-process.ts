/**
 * For processes that open millions of logs in memory; to be loaded before anything that loads memfs. An eighth of their
 * time would go into asking the kernel who the user is, again and again, and into stacks of errors that were injected.
 */
import process from 'node:process'

for (const name of ['getuid', 'getgid'] as const) {
  const id = process[name]?.()
  if (id !== undefined) process[name] = () => id
}
Error.stackTraceLimit = 0
