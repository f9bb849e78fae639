// Stores an object in a directory, and then opens a bucket.
import { checkConditionalPut, DirectoryObjectStore } from '@sq/archive'
import { S3ObjectStore } from '@sq/archive/s3'
import { NodeFileSystem } from '@sq/sim'

await checkConditionalPut(new DirectoryObjectStore(new NodeFileSystem(), 'archive'))
console.log('stored')
await S3ObjectStore.open({ bucket: 'backups' })
