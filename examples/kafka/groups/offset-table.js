/** The committed offsets of all groups in memory, and the records of the log that change them. */

/**
 * An offset that a group has committed for a partition.
 *
 * @typedef {{ offset: bigint, leaderEpoch: number, metadata: string }} Committed
 */
/** @typedef {{ group: string, topics: Map<string, Map<number, Committed>> }} Commit */
/** @typedef {{ deletedTopics: string[] } | { deletedGroups: string[] }} Deletion */
/** The offsets of a group by topic and partition. @typedef {ReadonlyMap<string, ReadonlyMap<number, Committed>>} GroupOffsets */

/** Partitions in one record of a compacted log, so that its size is bounded. */
const PARTITIONS_PER_RECORD = 25
/** Estimates of what a name and a partition take in memory. */
const NAME_BYTES = 256
const PARTITION_BYTES = 128
const BYTES_PER_CHARACTER = 2

export class OffsetTable {
  /** @type {Map<string, Map<string, Map<number, Committed>>>} */
  #groups = new Map()
  #bytes = 0

  /** About what the table takes in memory. */
  get bytes() {
    return this.#bytes
  }

  get groups() {
    return this.#groups.keys()
  }

  /** The topics for which some group has committed offsets. */
  get topics() {
    return new Set([...this.#groups.values()].flatMap((topics) => [...topics.keys()]))
  }

  /**
   * @param {string} group
   * @returns {GroupOffsets}
   */
  of(group) {
    return this.#groups.get(group) ?? new Map()
  }

  /**
   * By how many bytes the table would grow.
   *
   * @param {Commit} commit
   */
  growth({ group, topics }) {
    const known = this.#groups.get(group)
    let bytes = known === undefined ? nameBytes(group) : 0
    for (const [topic, partitions] of topics) {
      const before = known?.get(topic)
      if (before === undefined) bytes += nameBytes(topic)
      for (const [partition, committed] of partitions) {
        bytes += partitionBytes(committed) - partitionBytes(before?.get(partition))
      }
    }
    return bytes
  }

  /** @param {Commit | Deletion} change */
  apply(change) {
    if ('deletedTopics' in change) this.#deleteTopics(change.deletedTopics)
    else if ('deletedGroups' in change) this.#deleteGroups(change.deletedGroups)
    else this.#set(change)
  }

  /** @param {Commit} commit */
  #set(commit) {
    this.#bytes += this.growth(commit)
    const topics = getOrAdd(this.#groups, commit.group)
    for (const [topic, partitions] of commit.topics) {
      const known = getOrAdd(topics, topic)
      for (const [partition, committed] of partitions) known.set(partition, committed)
    }
  }

  /** @param {string[]} names */
  #deleteTopics(names) {
    for (const [group, topics] of this.#groups) {
      for (const name of names) {
        const partitions = topics.get(name)
        if (partitions === undefined) continue
        for (const committed of partitions.values()) this.#bytes -= partitionBytes(committed)
        this.#bytes -= nameBytes(name)
        topics.delete(name)
      }
      if (topics.size > 0) continue
      this.#groups.delete(group)
      this.#bytes -= nameBytes(group)
    }
  }

  /** @param {string[]} names */
  #deleteGroups(names) {
    for (const group of names) {
      for (const [topic, partitions] of this.of(group)) {
        for (const committed of partitions.values()) this.#bytes -= partitionBytes(committed)
        this.#bytes -= nameBytes(topic)
      }
      if (this.#groups.delete(group)) this.#bytes -= nameBytes(group)
    }
  }

  /**
   * Commits that make this table of an empty one.
   *
   * @returns {Generator<Commit, void>}
   */
  *commits() {
    for (const [group, topics] of this.#groups) {
      for (const [topic, partitions] of topics) {
        const entries = [...partitions]
        for (let at = 0; at < entries.length; at += PARTITIONS_PER_RECORD) {
          yield { group, topics: new Map([[topic, new Map(entries.slice(at, at + PARTITIONS_PER_RECORD))]]) }
        }
      }
    }
  }
}

/**
 * @template K, L, V
 * @param {Map<K, Map<L, V>>} map
 * @param {K} key
 */
function getOrAdd(map, key) {
  const known = map.get(key)
  if (known !== undefined) return known
  /** @type {Map<L, V>} */
  const added = new Map()
  map.set(key, added)
  return added
}

/** @param {string} name */
function nameBytes(name) {
  return NAME_BYTES + name.length * BYTES_PER_CHARACTER
}

/** @param {Committed | undefined} committed */
function partitionBytes(committed) {
  if (committed === undefined) return 0
  return PARTITION_BYTES + committed.metadata.length * BYTES_PER_CHARACTER
}

/** @typedef {[partition: number, offset: string, leaderEpoch: number, metadata: string]} StoredPartition */
/** @typedef {{ group: string, topics: [topic: string, partitions: StoredPartition[]][] } | Deletion} Stored */

/**
 * The value of the record for a change: JSON, so that it can be read with any tool that prints the log.
 *
 * @param {Commit | Deletion} change
 */
export function encodeChange(change) {
  return Buffer.from(JSON.stringify('topics' in change ? storedCommit(change) : change))
}

/**
 * @param {Commit} commit
 * @returns {Stored}
 */
function storedCommit({ group, topics }) {
  /** @type {[topic: string, partitions: StoredPartition[]][]} */
  const stored = Array.from(topics, ([topic, partitions]) => [
    topic,
    Array.from(partitions, ([partition, { offset, leaderEpoch, metadata }]) => [
      partition,
      String(offset),
      leaderEpoch,
      metadata,
    ]),
  ])
  return { group, topics: stored }
}

/**
 * @param {Uint8Array} value
 * @returns {Commit | Deletion}
 */
export function decodeChange(value) {
  /** @type {Stored} */
  const stored = JSON.parse(Buffer.from(value).toString())
  if (!('topics' in stored)) return stored
  const topics = stored.topics.map(([topic, partitions]) => {
    const committed = partitions.map(([partition, offset, leaderEpoch, metadata]) => {
      return /** @type {const} */ ([partition, { offset: BigInt(offset), leaderEpoch, metadata }])
    })
    return /** @type {const} */ ([topic, new Map(committed)])
  })
  return { group: stored.group, topics: new Map(topics) }
}
