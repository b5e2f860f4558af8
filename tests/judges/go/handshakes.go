package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"flag"
	"net/http"
	"sync"
	"time"
)

// handshakes opens mutual TLS 1.3 connections for a time. One counts when a request on it was answered, which proves that the
// server took the client's certificate; after that it is closed.
func handshakes(args []string) error {
	flags := flag.NewFlagSet("handshakes", flag.ExitOnError)
	mesh := meshFlags(flags)
	workers := flags.Int("workers", 8, "connections at once")
	seconds := flags.Float64("seconds", 4, "how long")
	resume := flags.Bool("resume", false, "offer the tickets of earlier sessions")
	_ = flags.Parse(args)
	config, err := mesh.config()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(time.Duration(*seconds * float64(time.Second)))
	counts, resumed, problems := make([]int, *workers), make([]int, *workers), make([]error, *workers)
	var group sync.WaitGroup
	for worker := range *workers {
		own := config.Clone()
		if *resume {
			own.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		}
		group.Go(func() {
			for time.Now().Before(deadline) && problems[worker] == nil {
				isResumed, err := handshakeOnce(*mesh.target, own)
				problems[worker] = err
				counts[worker]++
				if isResumed {
					resumed[worker]++
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errors.Join(problems...), report(map[string]any{"handshakes": sum(counts), "resumed": sum(resumed), "seconds": *seconds}))
}

func handshakeOnce(target string, config *tls.Config) (isResumed bool, err error) {
	conn, err := tls.Dial("tcp", target, config)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	if err := writeRequest(conn); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false, err
	}
	return conn.ConnectionState().DidResume, wholeAnswer(answer)
}

func sum(counts []int) int {
	total := 0
	for _, count := range counts {
		total += count
	}
	return total
}
