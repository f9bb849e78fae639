import { expect, test } from 'vitest'
import { nodePackage } from './node-package.ts'

test.each(['linux-x64', 'linux-arm64'])('there is a package of Node for %s', (platform) => {
  expect(nodePackage(platform)).toBe(`node-${platform}`)
})

test.each(['darwin-arm64', 'win32-x64', 'linux-s390x'])('the platform %s is an error that names it', (platform) => {
  expect(() => nodePackage(platform)).toThrow(`are available on linux-x64 and linux-arm64; this is ${platform}`)
})
