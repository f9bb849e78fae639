import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { shownPath, withShownPaths } from './shown-path.ts'

beforeEach(() => void vi.spyOn(process, 'cwd').mockReturnValue('/data'))
afterEach(() => void vi.restoreAllMocks())

test.each([
  ['/data/orders/0', 'orders/0'],
  ['/mnt/data/orders/0', '/mnt/data/orders/0'],
  ['/mnt /data/orders/0', '/mnt /data/orders/0'],
  ['/data/data/data/x', 'data/data/x'],
  ['/data/mnt/data/x', 'mnt/data/x'],
  ['/database/x', '/database/x'],
  ['/data', '/data'],
  ['/data/', '/data/'],
  ['/data//x', '/data//x'],
  ['orders/data/x', 'orders/data/x'],
])('the path %s is shown as %s', (path, shown) => {
  expect(shownPath(path)).toBe(shown)
})

test.each([
  ['cannot open /data/orders/0: EIO', 'cannot open orders/0: EIO'],
  ["EIO: i/o error, open '/data/a b', '/data/c'", "EIO: i/o error, open 'a b', 'c'"],
  ['/data/orders/0 is one,/data/x another (/data/y) ["/data/z"]', 'orders/0 is one,x another (y) ["z"]'],
  ['cannot open /mnt/data/orders/0: EIO', 'cannot open /mnt/data/orders/0: EIO'],
  ["open '/mnt/data/data/orders/0'", "open '/mnt/data/data/orders/0'"],
  ['there is no log in /data/', 'there is no log in /data/'],
  ["open '/data/'", "open '/data/'"],
  ['there is no log in /data//x', 'there is no log in /data//x'],
  ['see file:///data/x', 'see file:///data/x'],
])('the text %s is shown as %s', (text, shown) => {
  expect(withShownPaths(text)).toBe(shown)
})

test('every character of the working directory is matched literally', () => {
  vi.spyOn(process, 'cwd').mockReturnValue('/a.b (c) [d] $e')
  expect(withShownPaths("open '/a.b (c) [d] $e/x', '/axb (c) [d] $e/x'")).toBe("open 'x', '/axb (c) [d] $e/x'")
})

test.each(['/', null])('nothing changes if the working directory is %s', (here) => {
  vi.spyOn(process, 'cwd').mockImplementation(() => {
    if (here === null) throw new Error('ENOENT: uv_cwd')
    return here
  })
  expect([shownPath('/data/x'), withShownPaths('in /data/x')]).toEqual(['/data/x', 'in /data/x'])
})
