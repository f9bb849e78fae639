/** The calls about topics and their records, as published for Kafka up to the last version without tagged fields. */
import {
  array,
  bool,
  compactArray,
  compactString,
  int16,
  int32,
  int64,
  int8,
  nullableArray,
  nullableBytes,
  nullableString,
  optional,
  records,
  since,
  string,
  struct,
  taggedFields,
  until,
} from './types.js'

const throttleTimeMs = optional(int32, 0)

const apiKey = struct({
  apiKey: int16,
  minVersion: int16,
  maxVersion: int16,
  taggedFields: since(3, taggedFields, null),
})

export const LOG_CALLS = {
  Produce: {
    key: 0,
    versions: { from: 3, to: 7 },
    request: struct({
      transactionalId: nullableString,
      acks: int16,
      timeoutMs: int32,
      topicData: array(
        struct({
          name: string,
          partitionData: array(struct({ index: int32, records: nullableBytes })),
        }),
      ),
    }),
    response: struct({
      responses: array(
        struct({
          name: string,
          partitionResponses: array(
            struct({
              index: int32,
              errorCode: int16,
              baseOffset: int64,
              logAppendTimeMs: optional(int64, -1n),
              logStartOffset: since(5, int64, -1n),
            }),
          ),
        }),
      ),
      throttleTimeMs,
    }),
  },
  Fetch: {
    key: 1,
    versions: { from: 4, to: 11 },
    request: struct({
      replicaId: optional(int32, -1),
      maxWaitMs: int32,
      minBytes: int32,
      maxBytes: int32,
      isolationLevel: int8,
      sessionId: since(7, int32, 0),
      sessionEpoch: since(7, int32, -1),
      topics: array(
        struct({
          topic: string,
          partitions: array(
            struct({
              partition: int32,
              currentLeaderEpoch: since(9, int32, -1),
              fetchOffset: int64,
              logStartOffset: since(5, int64, -1n),
              partitionMaxBytes: int32,
            }),
          ),
        }),
      ),
      forgottenTopicsData: since(7, array(struct({ topic: string, partitions: array(int32) })), []),
      rackId: since(11, string, ''),
    }),
    response: struct({
      throttleTimeMs,
      errorCode: since(7, int16, 0),
      sessionId: since(7, int32, 0),
      responses: array(
        struct({
          topic: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              errorCode: int16,
              highWatermark: int64,
              lastStableOffset: optional(int64, -1n),
              logStartOffset: since(5, int64, -1n),
              abortedTransactions: nullableArray(struct({ producerId: int64, firstOffset: int64 })),
              preferredReadReplica: since(11, int32, -1),
              records,
            }),
          ),
        }),
      ),
    }),
  },
  ListOffsets: {
    key: 2,
    versions: { from: 1, to: 5 },
    request: struct({
      replicaId: optional(int32, -1),
      isolationLevel: since(2, int8, 0),
      topics: array(
        struct({
          name: string,
          partitions: array(
            struct({ partitionIndex: int32, currentLeaderEpoch: since(4, int32, -1), timestamp: int64 }),
          ),
        }),
      ),
    }),
    response: struct({
      throttleTimeMs: since(2, int32, 0),
      topics: array(
        struct({
          name: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              errorCode: int16,
              timestamp: optional(int64, -1n),
              offset: optional(int64, -1n),
              leaderEpoch: since(4, int32, -1),
            }),
          ),
        }),
      ),
    }),
  },
  Metadata: {
    key: 3,
    versions: { from: 0, to: 6 },
    request: struct({
      topics: nullableArray(struct({ name: string })),
      allowAutoTopicCreation: since(4, bool, true),
    }),
    response: struct({
      throttleTimeMs: since(3, int32, 0),
      brokers: array(struct({ nodeId: int32, host: string, port: int32, rack: since(1, nullableString, null) })),
      clusterId: since(2, nullableString, null),
      controllerId: since(1, int32, -1),
      topics: array(
        struct({
          errorCode: int16,
          name: string,
          isInternal: since(1, bool, false),
          partitions: array(
            struct({
              errorCode: int16,
              partitionIndex: int32,
              leaderId: int32,
              replicaNodes: array(int32),
              isrNodes: array(int32),
              offlineReplicas: since(5, array(int32), []),
            }),
          ),
        }),
      ),
    }),
  },
  ApiVersions: {
    key: 18,
    versions: { from: 0, to: 3 },
    request: struct({
      clientSoftwareName: since(3, compactString, ''),
      clientSoftwareVersion: since(3, compactString, ''),
      taggedFields: since(3, taggedFields, null),
    }),
    response: struct({
      errorCode: int16,
      apiKeys: until(3, array(apiKey), compactArray(apiKey)),
      throttleTimeMs: since(1, int32, 0),
      taggedFields: since(3, taggedFields, null),
    }),
  },
}
