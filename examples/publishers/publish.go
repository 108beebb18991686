// Publishes a batch of events over HTTP: `go run publish.go events.json`, with Go 1.21 or later.
// INGEST is the address of ingest, and KEY the publisher's key.
package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"
)

var client = &http.Client{Timeout: 30 * time.Second}

// publish returns the answer once Kafka has acknowledged the valid events, and an error if none is
// accepted.
func publish(ingest, key string, events []byte) (string, error) {
	var body bytes.Buffer
	writer := gzip.NewWriter(&body)
	if _, err := writer.Write(events); err != nil {
		return "", err
	}
	if err := writer.Close(); err != nil {
		return "", err
	}
	for {
		answer, pause, err := attempt(ingest, key, body.Bytes())
		if pause < 0 {
			return answer, err
		}
		time.Sleep(pause) // then the same events with the same ids
	}
}

// attempt returns a negative pause when there is nothing to try again.
func attempt(ingest, key string, body []byte) (string, time.Duration, error) {
	request, err := http.NewRequest(http.MethodPost, ingest+"/v1/events", bytes.NewReader(body))
	if err != nil {
		return "", -1, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/cloudevents-batch+json")
	request.Header.Set("Content-Encoding", "gzip")
	request.Header.Set("Prefer", "handling=lenient") // refuse only the events that are wrong
	response, err := client.Do(request)
	if err != nil {
		return "", 2 * time.Second, nil // no connection, or no answer
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return "", 2 * time.Second, nil
	case response.StatusCode == http.StatusAccepted:
		return string(answer), -1, nil
	case response.StatusCode == 429 || response.StatusCode == 500 || response.StatusCode == 503:
		seconds, err := strconv.Atoi(response.Header.Get("Retry-After"))
		if err != nil {
			seconds = 2
		}
		return "", time.Duration(seconds) * time.Second, nil
	}
	return "", -1, errors.New(string(answer)) // correct the events
}

func main() {
	events, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	ingest := os.Getenv("INGEST")
	if ingest == "" {
		ingest = "http://localhost:8600"
	}
	answer, err := publish(ingest, os.Getenv("KEY"), events)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(answer)
}
