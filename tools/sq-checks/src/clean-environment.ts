/** What a process that a test starts sees of the environment. */

/** A system has them for everybody. Whatever else is set, the test runner, pnpm or somebody's shell has set it. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR'] as const

/**
 * A few variables that every process needs, and the test's own. Nothing else is handed on: `NODE_PATH`, which pnpm sets
 * for what it runs, makes Node find packages that a user's Node does not find.
 */
export function cleanEnvironment(own: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const inherited = INHERITED.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
  return { ...Object.fromEntries(inherited), ...own }
}
