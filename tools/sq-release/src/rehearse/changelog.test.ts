import { expect, test } from 'vitest'
import { hasOwnNews, newestEntry } from './changelog.ts'

const FOLLOWING = '## 0.1.1\n\n### Patch Changes\n\n- Updated dependencies [7f4ee77]\n  - @sq/sim@0.2.0'

test('the newest entry ends at the start of the next one', () => {
  const newest = '## 0.2.0\n\n### Minor Changes\n\n- Faults can be held.'
  expect(newestEntry(`# @sq/sim\n\n${newest}\n\n## 0.1.0\n\n- The first version.\n`)).toBe(newest)
})

test('the newest entry can be the only one', () => {
  expect(newestEntry('# @sq/sim\n\n## 0.1.0\n\n- The first version.\n')).toBe('## 0.1.0\n\n- The first version.')
})

test('without a changelog there is no entry', () => {
  expect(newestEntry('')).toBe('')
})

test('a package that only follows another has no entry of its own', () => {
  expect(hasOwnNews(FOLLOWING)).toBe(false)
})

test('a package that a changeset names has an entry of its own', () => {
  expect(hasOwnNews(`${FOLLOWING}\n\n### Minor Changes\n\n- 7f4ee77: Faults can be held.`)).toBe(true)
})
