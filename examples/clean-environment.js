/** The environment of the processes that tests start, without what the test runner has set. */
export function cleanEnvironment() {
  const { PATH, HOME, TMPDIR } = process.env
  return { PATH, HOME, ...(TMPDIR !== undefined && { TMPDIR }) }
}
