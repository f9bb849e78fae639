/** The calls that manage topics and producers, as published for Kafka up to the last version without tagged fields. */
import {
  array,
  between,
  bool,
  int16,
  int32,
  int64,
  int8,
  nullableArray,
  nullableString,
  optional,
  since,
  string,
  struct,
} from './types.js'

const throttleTimeMs = optional(int32, 0)

export const ADMIN_CALLS = {
  CreateTopics: {
    key: 19,
    versions: { from: 0, to: 4 },
    request: struct({
      topics: array(
        struct({
          name: string,
          numPartitions: int32,
          replicationFactor: int16,
          assignments: array(struct({ partitionIndex: int32, brokerIds: array(int32) })),
          configs: array(struct({ name: string, value: nullableString })),
        }),
      ),
      timeoutMs: optional(int32, 60_000),
      validateOnly: since(1, bool, false),
    }),
    response: struct({
      throttleTimeMs: since(2, int32, 0),
      topics: array(struct({ name: string, errorCode: int16, errorMessage: since(1, nullableString, null) })),
    }),
  },
  DeleteTopics: {
    key: 20,
    versions: { from: 0, to: 3 },
    request: struct({ topicNames: array(string), timeoutMs: int32 }),
    response: struct({
      throttleTimeMs: since(1, int32, 0),
      responses: array(struct({ name: string, errorCode: int16 })),
    }),
  },
  DeleteRecords: {
    key: 21,
    versions: { from: 0, to: 1 },
    request: struct({
      topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, offset: int64 })) })),
      timeoutMs: int32,
    }),
    response: struct({
      throttleTimeMs,
      topics: array(
        struct({
          name: string,
          partitions: array(struct({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 })),
        }),
      ),
    }),
  },
  InitProducerId: {
    key: 22,
    versions: { from: 0, to: 1 },
    request: struct({ transactionalId: nullableString, transactionTimeoutMs: int32 }),
    response: struct({
      throttleTimeMs,
      errorCode: int16,
      producerId: optional(int64, -1n),
      producerEpoch: optional(int16, 0),
    }),
  },
  DescribeConfigs: {
    key: 32,
    versions: { from: 0, to: 2 },
    request: struct({
      resources: array(struct({ resourceType: int8, resourceName: string, configurationKeys: nullableArray(string) })),
      includeSynonyms: since(1, bool, false),
    }),
    response: struct({
      throttleTimeMs,
      results: array(
        struct({
          errorCode: int16,
          errorMessage: optional(nullableString, null),
          resourceType: int8,
          resourceName: string,
          configs: array(
            struct({
              name: string,
              value: nullableString,
              readOnly: bool,
              isDefault: between({ from: 0, to: 0 }, bool, false),
              configSource: since(1, int8, -1),
              isSensitive: optional(bool, false),
              synonyms: since(1, array(struct({ name: string, value: nullableString, source: int8 })), []),
            }),
          ),
        }),
      ),
    }),
  },
}
