/**
 * Imports a file of lines into a log with backpressure and in bounded memory, and exports it again. Line n is the
 * record at offset n. So an import that was killed is run again: the log's next offset is the next line.
 *
 *     node examples/ndjson/ndjson.js import FILE DIRECTORY
 *     node examples/ndjson/ndjson.js export DIRECTORY FILE
 */
import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { NodeFileSystem, WalReader, WalWriter } from '@sq/storage'
import { linesOf } from './lines.js'

/** @typedef {import('@sq/sim').FileSystem} FileSystem */
/** @typedef {import('@sq/storage').WalConfig} WalConfig */

const TOPIC = 'lines'

/**
 * Appends the lines that are not in the log yet. Every call must pass the same lines from the first one on. Resolves
 * with the number of lines in the log once all are durable.
 *
 * @param {FileSystem} fs
 * @param {WalConfig} config
 * @param {AsyncIterable<Buffer>} lines
 */
export async function importLines(fs, config, lines) {
  const writer = await WalWriter.open(fs, config, TOPIC, 0)
  try {
    await writer.appendAll(recordsFrom(lines, Number(writer.nextOffset)))
    return Number(writer.nextOffset)
  } finally {
    await writer.close()
  }
}

/**
 * @param {AsyncIterable<Buffer>} lines
 * @param {number} first
 */
async function* recordsFrom(lines, first) {
  let number = 0
  for await (const value of lines) {
    if (number++ >= first) yield { key: null, value, headers: [], timestampMs: Date.now() }
  }
}

/**
 * Yields all lines of the log, each with its line feed.
 *
 * @param {FileSystem} fs
 * @param {WalConfig} config
 */
export async function* exportLines(fs, config) {
  const reader = await WalReader.open(fs, config, TOPIC, 0)
  for await (const { value } of reader.read()) if (value !== null) yield Buffer.concat([value, Buffer.from('\n')])
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [command, from = '', to = ''] = process.argv.slice(2)
  const fs = new NodeFileSystem()
  if (command === 'import') {
    console.log(`${await importLines(fs, { dataDir: to }, linesOf(createReadStream(from)))} lines are in the log`)
  } else if (command === 'export') {
    await pipeline(exportLines(fs, { dataDir: from }), createWriteStream(to))
  } else {
    console.error('usage: node ndjson.js import FILE DIRECTORY | export DIRECTORY FILE')
    process.exitCode = 2
  }
}
