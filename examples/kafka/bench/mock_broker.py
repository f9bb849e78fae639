"""The mock broker of librdkafka. It prints its address, keeps nothing on disk, and ends with its input."""
import sys

from confluent_kafka import Producer

producer = Producer({'bootstrap.servers': 'unused', 'test.mock.num.brokers': '1', 'log_level': '0'})
[broker] = producer.list_topics(timeout=10).brokers.values()
print(f'{broker.host}:{broker.port}', flush=True)
sys.stdin.read()
