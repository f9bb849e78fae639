/** A request that is answered with an error code of the protocol. */
export class Refusal extends Error {
  /** @param {import('../protocol/errors.js').ErrorCode} errorCode */
  constructor(errorCode) {
    super(`refused with error ${errorCode}`)
    this.errorCode = errorCode
  }
}
