// Measures RocksDB: puts with `sync`. Its group commit makes puts of several threads durable together. A put blocks its
// thread, so each producer has one. The benchmark runs this program for each measurement:
//
//   rocksdb PRODUCERS BATCH VALUE_BYTES DURATION_MS WARM_UP_MS DIRECTORY
//
// It prints one line of JSON: values and bytes per second, and the latencies of puts or batches in milliseconds.
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

// How many different values are appended in turn, as with the other contenders.
constexpr int kValues = 16;

double MsBetween(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

void Check(const rocksdb::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

std::vector<std::string> RandomValues(size_t bytes) {
  std::mt19937_64 random(1);
  std::vector<std::string> values(kValues, std::string(bytes, 0));
  for (auto& value : values) {
    for (auto& byte : value) byte = static_cast<char>(random());
  }
  return values;
}

// Big-endian, so that the database sorts keys in the order of appends.
std::string KeyOf(uint64_t number) {
  std::string key(8, 0);
  for (int at = 7; at >= 0; at--, number >>= 8) key[at] = static_cast<char>(number);
  return key;
}

std::unique_ptr<rocksdb::DB> Open(const std::string& directory) {
  rocksdb::Options options;
  options.create_if_missing = true;
  // So large that the memtable is not flushed: the figures are of the write-ahead log and of inserts into the memtable.
  options.write_buffer_size = size_t{4} << 30;
  // One thread inserts the puts of a whole group. With hundreds of threads that was twice as fast as the default, where
  // each thread inserts its own.
  options.allow_concurrent_memtable_write = false;
  rocksdb::DB* db = nullptr;
  Check(rocksdb::DB::Open(options, directory + "/db", &db));
  return std::unique_ptr<rocksdb::DB>(db);
}

struct Measured {
  std::vector<double> latencies;
  Clock::time_point last;
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 7) {
    std::fprintf(stderr, "usage: rocksdb PRODUCERS BATCH VALUE_BYTES DURATION_MS WARM_UP_MS DIRECTORY\n");
    return 2;
  }
  const int producers = std::atoi(arguments[1]);
  const int batch = std::atoi(arguments[2]);
  const auto values = RandomValues(std::strtoul(arguments[3], nullptr, 10));
  const auto db = Open(arguments[6]);
  rocksdb::WriteOptions durable;
  durable.sync = true;

  std::atomic<uint64_t> next_key{0};
  const auto start = Clock::now();
  const auto counted_from = start + std::chrono::milliseconds(std::atoi(arguments[5]));
  const auto end = start + std::chrono::milliseconds(std::atoi(arguments[4]));
  std::vector<Measured> measured(producers, Measured{{}, counted_from});
  std::vector<std::thread> threads;
  for (int producer = 0; producer < producers; producer++) {
    threads.emplace_back([&, producer] {
      auto& mine = measured[producer];
      auto now = Clock::now();
      for (size_t at = producer; now < end; at++) {
        const auto begun = now;
        rocksdb::WriteBatch puts;
        for (int i = 0; i < batch; i++) Check(puts.Put(KeyOf(next_key++), values[at % kValues]));
        Check(db->Write(durable, &puts));
        now = Clock::now();
        if (begun < counted_from) continue;
        mine.latencies.push_back(MsBetween(begun, now));
        mine.last = now;
      }
    });
  }
  for (auto& thread : threads) thread.join();

  std::vector<double> latencies;
  auto last = counted_from;
  for (const auto& each : measured) {
    latencies.insert(latencies.end(), each.latencies.begin(), each.latencies.end());
    last = std::max(last, each.last);
  }
  std::sort(latencies.begin(), latencies.end());
  if (latencies.empty()) {
    std::fprintf(stderr, "no put ended after the warm-up\n");
    return 1;
  }
  const auto at = [&](double share) {
    return latencies[std::min(static_cast<size_t>(share * latencies.size()), latencies.size() - 1)];
  };
  const double rate = 1000.0 * latencies.size() * batch / MsBetween(counted_from, last);
  std::printf("{\"valuesPerSecond\":%f,\"bytesPerSecond\":%f,\"p50\":%f,\"p99\":%f,\"p999\":%f}\n", rate,
              rate * values[0].size(), at(0.5), at(0.99), at(0.999));
  return 0;
}
