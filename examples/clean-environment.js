/** What a process that a test starts sees of the environment: nothing that the test runner has set. */
export function cleanEnvironment() {
  const { PATH, HOME, TMPDIR } = process.env
  return { PATH, HOME, ...(TMPDIR !== undefined && { TMPDIR }) }
}
