"""kafka-python, in the three roles that ../each-client.js gives to every client."""
import signal
import sys

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition

address, role, *args = sys.argv[1:]


def produce(topic, compression):
    compression_type = None if compression == 'none' else compression
    producer = KafkaProducer(bootstrap_servers=address, acks='all', compression_type=compression_type)
    sent = [producer.send(topic, line.rstrip('\n').encode()) for line in sys.stdin]
    producer.flush()
    for record in sent:
        record.get()


def consume(topic, start, count):
    consumer = KafkaConsumer(bootstrap_servers=address)
    kind, _, number = start.partition(':')
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    if kind == 'start':
        consumer.seek_to_beginning()
    elif kind == 'end':
        consumer.seek_to_end()
    elif kind == 'time':
        consumer.seek(place, consumer.offsets_for_times({place: int(number)})[place].offset)
    else:
        consumer.seek(place, int(number))
    for _ in range(int(count)):
        print(next(consumer).value.decode(), flush=True)


class Listener(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        print('assigned', *sorted(place.partition for place in assigned), flush=True)

    def on_partitions_revoked(self, revoked):
        pass


def join(group, topic):
    consumer = KafkaConsumer(bootstrap_servers=address, group_id=group)
    ends = []
    signal.signal(signal.SIGTERM, lambda *_: ends.append(True))
    consumer.subscribe([topic], listener=Listener())
    while not ends:
        consumer.poll(100)
    consumer.close()


{'produce': produce, 'consume': consume, 'join': join}[role](*args)
