/** The values that are appended. */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** How many different values are appended in turn, so that no file system can deduplicate them. */
const VALUES = 16

export function randomValues(bytes: number): Buffer[] {
  return Array.from({ length: VALUES }, () => randomBytes(bytes))
}

/** Data sets of the package vega-datasets; `field` holds the records, or the file itself if it is null. */
const DATA_SETS = [
  { file: 'movies.json', field: null },
  { file: 'earthquakes.json', field: 'features' },
  { file: 'penguins.json', field: null },
  { file: 'londonBoroughs.json', field: 'arcs' },
  { file: 'countries.json', field: null },
] as const

/** Records of the data sets as JSON, one of each set in turn: 19 to 788 bytes, most of them about 150. */
export function mixedValues(): Buffer[] {
  const require = createRequire(import.meta.url)
  const sets = DATA_SETS.map(({ file, field }) => {
    const parsed: unknown = JSON.parse(readFileSync(require.resolve(`vega-datasets/data/${file}`), 'utf8'))
    const records: unknown = field === null ? parsed : new Map(Object.entries(parsed ?? {})).get(field)
    if (!Array.isArray(records)) throw new Error(`${file} holds no list of records`)
    return records.map((record) => Buffer.from(JSON.stringify(record)))
  })
  const longest = Math.max(...sets.map((set) => set.length))
  return Array.from({ length: longest }, (_, at) => sets.flatMap((set) => set[at % set.length] ?? [])).flat()
}
