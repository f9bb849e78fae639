import { describe, expect, it } from 'vitest'
import { ArraySplitter, NotAnArrayError } from '../demo/array-splitter.ts'
import { LineSplitter } from './line-splitter.ts'
import type { Splitter } from './splitter.ts'

const chunkSizes = [1, 2, 3, 5, 1000]

/** The items of a text that arrives in chunks of `chunkBytes`. */
function itemsOf(splitter: Splitter, text: string, chunkBytes: number): string[] {
  const bytes = Buffer.from(text)
  const items: string[] = []
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    for (const item of splitter.split(bytes.subarray(at, at + chunkBytes))) items.push(item.toString())
  }
  return [...items, ...splitter.end().map(String)]
}

describe('in chunks of any size', () => {
  it.each([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['\n', ['']],
    ['a\n\nb', ['a', '', 'b']],
    ['a\r\n b \r\n', ['a\r', ' b \r']],
    ['größe\n✓', ['größe', '✓']],
  ])('the text %j has the lines %j', (text, lines) => {
    for (const chunkBytes of chunkSizes) expect(itemsOf(new LineSplitter(), text, chunkBytes)).toEqual(lines)
  })

  it.each([
    ['[]', []],
    [' [ ] \n', []],
    ['[1]', ['1']],
    ['[1, "a", null]', ['1', '"a"', 'null']],
    ['[\n  {"a": [1, 2]},\n  [3, {"b": 4}]\n]\n', ['{"a": [1, 2]}', '[3, {"b": 4}]']],
    [String.raw`["a,]}", "\"],", "\\"]`, [String.raw`"a,]}"`, String.raw`"\"],"`, String.raw`"\\"`]],
  ])('the array %j has the elements %j', (text, elements) => {
    for (const chunkBytes of chunkSizes) expect(itemsOf(new ArraySplitter(), text, chunkBytes)).toEqual(elements)
  })

  it.each(['', ' ', '1', '{"a": 1}', '[1', '["a]', '[[1]', '[1] [2]', '[1]\n[2]'])('%j is not one array', (text) => {
    for (const chunkBytes of chunkSizes) {
      expect(() => itemsOf(new ArraySplitter(), text, chunkBytes)).toThrow(NotAnArrayError)
    }
  })
})

it('a splitter buffers only the incomplete item', () => {
  const splitter = new LineSplitter()
  expect(Array.from(splitter.split(Buffer.from('one\ntwo\nthr')), String)).toEqual(['one', 'two'])
  expect(splitter.pendingBytes).toBe(3)
})
