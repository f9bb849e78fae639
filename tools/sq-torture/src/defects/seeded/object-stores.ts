/** Defects of the object stores, and of the check that one can hold an archive. */
import type { Defect } from '../defect.ts'

const ARCHIVE = 'sq-archive/src'

export const OBJECT_STORES_DEFECTS: readonly Defect[] = [
  {
    name: 'a directory replaces an object that exists',
    file: `${ARCHIVE}/directory-object-store.ts`,
    find: `      if ((await this.#stat(path)) !== null) {`,
    replace: `      if ((await this.#stat(path)) !== null) {
        await this.#fs.unlink(path)
      }
      if ((await this.#stat(path)) !== null) {`,
  },
  {
    name: 'an object in a directory is not synced',
    file: `${ARCHIVE}/directory-object-store.ts`,
    find: '      await file.sync()\n',
    replace: '',
  },
  {
    name: 'the name of an object in a directory is not synced',
    file: `${ARCHIVE}/directory-object-store.ts`,
    find: `    await this.#fs.syncDirectory(dirname(path))
    return result`,
    replace: `    return result`,
  },
  {
    name: 'the directories of an object are not synced',
    file: `${ARCHIVE}/directory-object-store.ts`,
    find: '    for (const parent of parents.toReversed()) await this.#fs.syncDirectory(parent)\n',
    replace: '',
  },
  {
    name: 'an object appears under its name while it is written',
    file: `${ARCHIVE}/directory-object-store.ts`,
    find: `        await beforeItIsStored(key, () => this.#write(temporary, key, source))
        return await this.#link(key, { temporary, path })`,
    replace: `        await this.#write(path, key, source)
        return 'created'`,
  },
  {
    name: 'the checksum of what is stored is not compared',
    file: `${ARCHIVE}/object-source.ts`,
    find: '  if (found === source.crc32) return\n',
    replace: '  if (found >= 0) return\n',
  },
  {
    name: 'a file that is shorter than stated is stored',
    file: `${ARCHIVE}/object-source.ts`,
    find: '  if (read < buffer.length) {',
    replace: '  if (read < 0) {',
  },
  {
    name: 'an object in S3 is created without the condition',
    file: `${ARCHIVE}/s3/upload.ts`,
    find: `ContentLength: source.bytes, IfNoneMatch: '*', ...checksum`,
    replace: `ContentLength: source.bytes, ...checksum`,
  },
  {
    name: 'an upload in parts to S3 is completed without the condition',
    file: `${ARCHIVE}/s3/upload.ts`,
    find: `MultipartUpload: { Parts }, IfNoneMatch: '*', ...checksum`,
    replace: `MultipartUpload: { Parts }, ...checksum`,
  },
  {
    name: 'a buffer is filled again while S3 still sends it',
    file: `${ARCHIVE}/s3/upload.ts`,
    find: '      await parts[index - buffers.length]\n',
    replace: '',
  },
  {
    name: 'a store that does not know the condition has the object already',
    file: `${ARCHIVE}/s3/s3-object-store.ts`,
    find: `if (isNamed(error, 'PreconditionFailed')) return 'exists'`,
    replace: `if (isNamed(error, 'PreconditionFailed') || statusOf(error) === 501) return 'exists'`,
  },
  {
    name: 'an object that S3 cannot look for does not exist',
    file: `${ARCHIVE}/s3/s3-object-store.ts`,
    find: `        if (statusOf(error) === 404 && !isPage(error)) return null
        throw error`,
    replace: `        return null`,
  },
  {
    name: 'a web page is an object that does not exist',
    file: `${ARCHIVE}/s3/s3-object-store.ts`,
    find: `if (statusOf(error) === 404 && !isPage(error)) return null`,
    replace: `if (statusOf(error) === 404) return null`,
  },
  {
    name: 'a listing of S3 ends after its first page',
    file: `${ARCHIVE}/s3/s3-object-store.ts`,
    find: 'isMore: page.IsTruncated && last !== after,',
    replace: 'isMore: page.IsTruncated && last === after,',
  },
  {
    name: 'a listing of S3 skips the first object of a page',
    file: `${ARCHIVE}/s3/s3-object-store.ts`,
    find: 'yield* page.entries',
    replace: `yield* range.after === '' ? page.entries : page.entries.slice(1)`,
  },
  {
    name: 'a shallow listing of S3 goes on in the folder that its last page ended with',
    file: `${ARCHIVE}/s3/s3-object-store.ts`,
    find: 'key: key + LAST_CHARACTER',
    replace: 'key',
  },
  {
    name: 'a directory without hard links may have them later',
    file: `${ARCHIVE}/directory-object-store.ts`,
    find: `  'EPERM',\n`,
    replace: '',
  },
  {
    name: 'an answer of S3 that breaks off is the end of the object',
    file: `${ARCHIVE}/s3/download.ts`,
    find: 'if (filled < expected) throw new Error(`the answer ended after ${filled} bytes, expected ${expected}`)',
    replace: '',
  },
  {
    name: 'an answer of S3 that ignores the range is taken for the range',
    file: `${ARCHIVE}/s3/download.ts`,
    find: 'await fill(buffer.subarray(0, expected), body, position - start)',
    replace: 'await fill(buffer.subarray(0, expected), body, 0)',
  },
  {
    name: 'a refusal after an attempt of unknown outcome had no effect for certain',
    file: `${ARCHIVE}/s3/failure.ts`,
    find: `const isFinal = attempts === 1 || (doing !== 'store' && doing !== 'delete')`,
    replace: `const isFinal = attempts > 0`,
  },
  {
    name: 'a server error of S3 had no effect for certain',
    file: `${ARCHIVE}/s3/failure.ts`,
    find: 'const isRefusal = status >= 300 && status < 500 &&',
    replace: 'const isRefusal = status >= 300 &&',
  },
  {
    name: 'a store that replaces objects can hold an archive',
    file: `${ARCHIVE}/conditional-put.ts`,
    find: `  throw noConditionalPut('it replaced an object that it was asked to create only if there is none')`,
    replace: '',
  },
]
