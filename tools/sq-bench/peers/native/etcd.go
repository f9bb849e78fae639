// Measures the write-ahead log of etcd. It has no group commit: its caller, a raft node, saves all entries that are
// ready, and they become durable together. So one batch stands for all producers, and its latency is the latency of
// each of them. The benchmark runs this program for each measurement:
//
//	etcd PRODUCERS BATCH VALUE_BYTES DURATION_MS WARM_UP_MS DIRECTORY
//
// It prints one line of JSON: values and bytes per second, and the latencies of batches in milliseconds.
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"time"

	"go.etcd.io/etcd/raft/raftpb"
	"go.etcd.io/etcd/wal"
	"go.uber.org/zap"
)

// How many different values are appended in turn, as with the other contenders.
const valueCount = 16

type measurement struct {
	ValuesPerSecond float64 `json:"valuesPerSecond"`
	BytesPerSecond  float64 `json:"bytesPerSecond"`
	P50             float64 `json:"p50"`
	P99             float64 `json:"p99"`
	P999            float64 `json:"p999"`
}

func main() {
	if len(os.Args) != 7 {
		fail(fmt.Errorf("usage: etcd PRODUCERS BATCH VALUE_BYTES DURATION_MS WARM_UP_MS DIRECTORY"))
	}
	ready := number(1) * number(2)
	values := randomValues(number(3))
	duration, warmUp := time.Duration(number(4))*time.Millisecond, time.Duration(number(5))*time.Millisecond
	log, err := wal.Create(zap.NewNop(), filepath.Join(os.Args[6], "wal"), nil)
	check(err)

	var latencies []float64
	var index uint64
	entries := make([]raftpb.Entry, ready)
	start := time.Now()
	countedFrom, end := start.Add(warmUp), start.Add(duration)
	last := countedFrom
	for at, now := 0, start; now.Before(end); at++ {
		begun := now
		for i := range entries {
			index++
			entries[i] = raftpb.Entry{Term: 1, Index: index, Data: values[at%valueCount]}
		}
		// Save syncs whenever there are entries. The state is empty, so nothing else is written.
		check(log.Save(raftpb.HardState{}, entries))
		now = time.Now()
		if begun.Before(countedFrom) {
			continue
		}
		latencies = append(latencies, now.Sub(begun).Seconds()*1000)
		last = now
	}
	check(log.Close())
	if len(latencies) == 0 {
		fail(fmt.Errorf("no batch was saved after the warm-up"))
	}
	sort.Float64s(latencies)
	share := func(part float64) float64 {
		at := int(part * float64(len(latencies)))
		if at >= len(latencies) {
			at = len(latencies) - 1
		}
		return latencies[at]
	}
	rate := float64(len(latencies)*ready) / last.Sub(countedFrom).Seconds()
	bytesPerSecond := rate * float64(len(values[0]))
	check(json.NewEncoder(os.Stdout).Encode(
		measurement{rate, bytesPerSecond, share(0.5), share(0.99), share(0.999)}))
}

func number(argument int) int {
	parsed, err := strconv.Atoi(os.Args[argument])
	check(err)
	return parsed
}

func randomValues(bytes int) [][]byte {
	random := rand.New(rand.NewSource(1))
	values := make([][]byte, valueCount)
	for i := range values {
		values[i] = make([]byte, bytes)
		random.Read(values[i])
	}
	return values
}

func check(err error) {
	if err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
