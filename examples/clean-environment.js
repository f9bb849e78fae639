/**
 * The environment of the processes that tests start, without what the test runner has set.
 *
 * @param {NodeJS.ProcessEnv} [own] variables of the test
 * @returns {NodeJS.ProcessEnv}
 */
export function cleanEnvironment(own = {}) {
  const { PATH, HOME, TMPDIR } = process.env
  return { PATH, HOME, ...(TMPDIR !== undefined && { TMPDIR }), ...own }
}
