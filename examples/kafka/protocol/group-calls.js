/** The calls of consumer groups, as published for Kafka up to the last version without tagged fields. */
import {
  array,
  between,
  bytes,
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

export const GROUP_CALLS = {
  OffsetCommit: {
    key: 8,
    versions: { from: 2, to: 7 },
    request: struct({
      groupId: string,
      generationIdOrMemberEpoch: int32,
      memberId: string,
      groupInstanceId: since(7, nullableString, null),
      retentionTimeMs: between({ from: 2, to: 4 }, int64, -1n),
      topics: array(
        struct({
          name: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              committedOffset: int64,
              committedLeaderEpoch: since(6, int32, -1),
              committedMetadata: nullableString,
            }),
          ),
        }),
      ),
    }),
    response: struct({
      throttleTimeMs: since(3, int32, 0),
      topics: array(struct({ name: string, partitions: array(struct({ partitionIndex: int32, errorCode: int16 })) })),
    }),
  },
  OffsetFetch: {
    key: 9,
    versions: { from: 1, to: 5 },
    request: struct({
      groupId: string,
      topics: nullableArray(struct({ name: string, partitionIndexes: array(int32) })),
    }),
    response: struct({
      throttleTimeMs: since(3, int32, 0),
      topics: array(
        struct({
          name: string,
          partitions: array(
            struct({
              partitionIndex: int32,
              committedOffset: int64,
              committedLeaderEpoch: since(5, int32, -1),
              metadata: nullableString,
              errorCode: int16,
            }),
          ),
        }),
      ),
      errorCode: since(2, int16, 0),
    }),
  },
  FindCoordinator: {
    key: 10,
    versions: { from: 0, to: 2 },
    request: struct({ key: string, keyType: since(1, int8, 0) }),
    response: struct({
      throttleTimeMs: since(1, int32, 0),
      errorCode: int16,
      errorMessage: since(1, nullableString, null),
      nodeId: int32,
      host: string,
      port: int32,
    }),
  },
  JoinGroup: {
    key: 11,
    versions: { from: 0, to: 5 },
    request: struct({
      groupId: string,
      sessionTimeoutMs: int32,
      rebalanceTimeoutMs: since(1, int32, -1),
      memberId: string,
      groupInstanceId: since(5, nullableString, null),
      protocolType: string,
      protocols: array(struct({ name: string, metadata: bytes })),
    }),
    response: struct({
      throttleTimeMs: since(2, int32, 0),
      errorCode: int16,
      generationId: optional(int32, -1),
      protocolName: string,
      leader: string,
      memberId: string,
      members: array(struct({ memberId: string, groupInstanceId: since(5, nullableString, null), metadata: bytes })),
    }),
  },
  Heartbeat: {
    key: 12,
    versions: { from: 0, to: 3 },
    request: struct({
      groupId: string,
      generationId: int32,
      memberId: string,
      groupInstanceId: since(3, nullableString, null),
    }),
    response: struct({ throttleTimeMs: since(1, int32, 0), errorCode: int16 }),
  },
  LeaveGroup: {
    key: 13,
    versions: { from: 0, to: 3 },
    request: struct({
      groupId: string,
      memberId: between({ from: 0, to: 2 }, string, ''),
      members: since(3, array(struct({ memberId: string, groupInstanceId: nullableString })), []),
    }),
    response: struct({
      throttleTimeMs: since(1, int32, 0),
      errorCode: int16,
      members: since(3, array(struct({ memberId: string, groupInstanceId: nullableString, errorCode: int16 })), []),
    }),
  },
  SyncGroup: {
    key: 14,
    versions: { from: 0, to: 3 },
    request: struct({
      groupId: string,
      generationId: int32,
      memberId: string,
      groupInstanceId: since(3, nullableString, null),
      assignments: array(struct({ memberId: string, assignment: bytes })),
    }),
    response: struct({ throttleTimeMs: since(1, int32, 0), errorCode: int16, assignment: bytes }),
  },
  DescribeGroups: {
    key: 15,
    versions: { from: 0, to: 2 },
    request: struct({ groups: array(string) }),
    response: struct({
      throttleTimeMs: since(1, int32, 0),
      groups: array(
        struct({
          errorCode: int16,
          groupId: string,
          groupState: string,
          protocolType: string,
          protocolData: string,
          members: array(
            struct({
              memberId: string,
              clientId: string,
              clientHost: string,
              memberMetadata: bytes,
              memberAssignment: bytes,
            }),
          ),
        }),
      ),
    }),
  },
  ListGroups: {
    key: 16,
    versions: { from: 0, to: 2 },
    request: struct({}),
    response: struct({
      throttleTimeMs: since(1, int32, 0),
      errorCode: int16,
      groups: array(struct({ groupId: string, protocolType: string })),
    }),
  },
}
