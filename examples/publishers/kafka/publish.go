// Publishes events straight to Kafka, in structured mode: `go run . events.jsonl`, with one event a
// line. KAFKA has the addresses of the brokers, and TOPIC the name of the raw topic.
package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// connect returns an idempotent client: what it says is acknowledged is on every in-sync replica,
// once.
func connect() (*kgo.Client, error) {
	return kgo.NewClient(
		kgo.SeedBrokers(strings.Split(setting("KAFKA", "localhost:9092"), ",")...),
		kgo.DefaultProduceTopic(setting("TOPIC", "data-access.raw")),
		kgo.ClientID("crm"),
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotence is on unless it is disabled
		kgo.RecordDeliveryTimeout(2*time.Minute),
	)
}

// publish sends each line of a file, and returns once Kafka has answered for all of them.
func publish(client *kgo.Client, path string) (acknowledged, failed int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	ctx := context.Background()
	var good, bad atomic.Int64
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for number := 1; lines.Scan(); number++ {
		client.Produce(ctx, record(lines.Bytes()), func(_ *kgo.Record, err error) {
			if err == nil {
				good.Add(1)
				return
			}
			bad.Add(1) // to send it again with the same id is safe
			log.Printf("line %d: %v", number, err)
		})
	}
	if err := client.Flush(ctx); err != nil {
		return good.Load(), bad.Load(), err
	}
	return good.Load(), bad.Load(), lines.Err()
}

// record returns an event as a record. It has no key, so that the partitions share the load.
func record(event []byte) *kgo.Record {
	structured := kgo.RecordHeader{Key: "content-type", Value: []byte("application/cloudevents+json")}
	return &kgo.Record{Value: bytes.Clone(event), Headers: []kgo.RecordHeader{structured}}
}

func setting(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	log.SetFlags(0)
	client, err := connect()
	if err != nil {
		log.Fatal(err)
	}
	acknowledged, failed, err := publish(client, os.Args[1])
	client.Close()
	fmt.Printf("%d acknowledged, %d failed\n", acknowledged, failed)
	if err != nil {
		log.Fatal(err)
	}
	if failed > 0 {
		os.Exit(1)
	}
}
