/** How many members of a group support each protocol of assignment, and which of these protocols the group uses. */

/** @typedef {import('./member.js').Member} Member */

export class Protocols {
  /** @type {Map<string, number>} */
  #supporters = new Map()
  #members = 0

  /** @param {Member} member */
  add({ protocols }) {
    this.#members++
    for (const name of protocols.keys()) this.#supporters.set(name, (this.#supporters.get(name) ?? 0) + 1)
  }

  /** @param {Member} member */
  remove({ protocols }) {
    this.#members--
    for (const name of protocols.keys()) {
      const left = (this.#supporters.get(name) ?? 0) - 1
      if (left > 0) this.#supporters.set(name, left)
      else this.#supporters.delete(name)
    }
  }

  /**
   * Whether every member supports a protocol.
   *
   * @param {string} name
   */
  isShared(name) {
    return (this.#supporters.get(name) ?? 0) === this.#members
  }

  /**
   * The protocol that most members prefer among those that all of them support; of several, the one that was voted for
   * first. Each member that joins must support one that all others do.
   *
   * @param {Iterable<Member>} members
   */
  select(members) {
    /** @type {Map<string, number>} */
    const votes = new Map()
    for (const { protocols } of members) {
      for (const name of protocols.keys()) {
        if (!this.isShared(name)) continue
        votes.set(name, (votes.get(name) ?? 0) + 1)
        break
      }
    }
    let selected = ''
    for (const [name, count] of votes) if (count > (votes.get(selected) ?? 0)) selected = name
    return selected
  }
}
