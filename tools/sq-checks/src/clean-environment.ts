/** The environment of the processes that tests start. */

/** Every system sets these. Other variables come from the test runner, from pnpm or from a user's shell. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR'] as const

/**
 * The variables that every process needs, and those of the test. Nothing else is inherited: with `NODE_PATH`, which
 * pnpm sets, Node finds packages that a user's Node does not find.
 */
export function cleanEnvironment(own: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const inherited = INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  return { ...Object.fromEntries(inherited), ...own }
}
