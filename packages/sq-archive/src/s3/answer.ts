/** Tells the answer of an object store from that of another server which also says that all is well. */

/** Throws if an answer that succeeded does not name the version of an object, as every answer about one does. */
export function checkAnswer({ ETag }: { readonly ETag?: string | undefined }): void {
  if (ETag === undefined || ETag === '') {
    throw new Error('the endpoint did not answer as an object store does: check that it is an S3 endpoint')
  }
}
