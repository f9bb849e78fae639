/**
 * Puts a large object, and stops before its last part: `worker.js OPTIONS BYTES`, with the options of the store
 * as JSON. Prints a line when all other parts are on their way, and is then killed.
 */
import { S3ObjectStore } from '@sq/archive/s3'
import type { S3ObjectStoreOptions } from '@sq/archive/s3'

const [, , text = '', bytes = ''] = process.argv
const options: S3ObjectStoreOptions = JSON.parse(text)
const store = await S3ObjectStore.open(options)
const size = Number(bytes)
await store.put('killed', {
  bytes: size,
  crc32: 0,
  async read(buffer, position) {
    if (position + buffer.length < size) return
    process.stdout.write('uploading\n')
    await new Promise(() => setInterval(() => {}, 1000))
  },
})
