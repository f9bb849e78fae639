"""confluent-kafka, in the three roles that ../each-client.js gives to every client."""
import signal
import sys

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, Producer, TopicPartition

address, role, *args = sys.argv[1:]


def check(error, _message):
    if error is not None:
        sys.exit(f'a record was not acknowledged: {error}')


def produce(topic, compression):
    producer = Producer({'bootstrap.servers': address, 'compression.type': compression})
    for line in sys.stdin:
        producer.produce(topic, line.rstrip('\n'), on_delivery=check)
    producer.flush()


def consume(topic, start, count):
    consumer = Consumer({'bootstrap.servers': address, 'group.id': 'unused', 'check.crcs': True})
    kind, _, number = start.partition(':')
    place = TopicPartition(topic, 0)
    if kind == 'time':
        [place] = consumer.offsets_for_times([TopicPartition(topic, 0, int(number))], timeout=30)
    else:
        place.offset = {'start': OFFSET_BEGINNING, 'end': OFFSET_END}.get(kind) or int(number)
    consumer.assign([place])
    for _ in range(int(count)):
        message = consumer.poll(60)
        if message is None or message.error():
            sys.exit(f'no record: {message and message.error()}')
        print(message.value().decode(), flush=True)


def join(group, topic):
    consumer = Consumer({'bootstrap.servers': address, 'group.id': group})
    ends = []
    signal.signal(signal.SIGTERM, lambda *_: ends.append(True))
    consumer.subscribe(
        [topic],
        on_assign=lambda _, places: print('assigned', *sorted(place.partition for place in places), flush=True),
    )
    while not ends:
        consumer.poll(0.1)
    consumer.close()


{'produce': produce, 'consume': consume, 'join': join}[role](*args)
