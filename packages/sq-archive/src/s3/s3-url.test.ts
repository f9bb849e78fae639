import { expect, test } from 'vitest'
import { parseS3Url } from './index.ts'

test.each([
  ['s3://backups', 'backups', ''],
  ['s3://backups/', 'backups', ''],
  ['s3://backups/orders', 'backups', 'orders'],
  ['s3://backups/a/b c%20/', 'backups', 'a/b c%20'],
])('%s names the bucket %s and the prefix %j', (url, bucket, prefix) => {
  expect(parseS3Url(url)).toEqual({ bucket, prefix })
})

test.each(['', 's3:', 's3://', 's3:///a', 'S3://a', 'https://a/b', './archive'])('%j names no bucket', (url) => {
  expect(() => parseS3Url(url)).toThrow('s3://BUCKET or s3://BUCKET/PREFIX is expected')
})
