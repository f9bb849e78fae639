/** A request, or a part of one, that is answered with an error code of the protocol. */
export class Refusal extends Error {
  /**
   * @param {import('./protocol/errors.js').ErrorCode} errorCode
   * @param {string} message
   */
  constructor(errorCode, message) {
    super(message)
    this.errorCode = errorCode
  }
}
