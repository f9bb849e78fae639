/**
 * The versions of Node that the tests run on: `pnpm test:nodes` selects one, and `.ci/run` names the oldest and newest.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { packageFolders, ROOT } from './source-tree.ts'

test('tests run on the version of Node for which turbo caches their results', () => {
  expect(process.version).toBe(process.env['SQ_NODE_VERSION'] ?? process.version)
})

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}

test('CI tests the oldest Node that a package claims', () => {
  const [, oldest] = /^oldest=(\S+)$/m.exec(read('.ci/run')) ?? []
  const manifests = ['package.json', ...packageFolders().map((folder) => `${folder}/package.json`)]
  const claims = manifests.flatMap((path) => {
    const manifest: { engines?: { node?: string } } = JSON.parse(read(path))
    return manifest.engines?.node ?? []
  })
  expect(claims).toHaveLength(5)
  expect(new Set(claims.map((claim) => `${claim}.0`))).toEqual(new Set([`>=${oldest}`]))
})

test('hosted CI and the devcontainer run the oldest line of Node that a package claims', () => {
  const [, oldest] = /"node": ">=(\d+)\./.exec(read('package.json')) ?? []
  const [, hosted] = /^(\d+)\.\d+\.\d+\n$/.exec(read('.node-version')) ?? []
  const [, container] = /^FROM node:(\d+)-/.exec(read('.devcontainer/Dockerfile')) ?? []
  expect({ hosted, container }).toEqual({ hosted: oldest, container: oldest })
})
