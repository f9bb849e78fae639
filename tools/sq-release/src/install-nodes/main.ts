/** Installs the given versions of Node for the tests, so that they can run on them. `.ci/run` calls this. */
import { main } from '../command.ts'
import { installNode, NODES_FOLDER } from '../nodes/node-package.ts'

await main(async () => {
  const installed = await Promise.all(process.argv.slice(2).map((range) => installNode(range, NODES_FOLDER)))
  for (const { version, bin } of installed) process.stdout.write(`Node ${version} is in ${bin}\n`)
  return installed.length > 0
})
