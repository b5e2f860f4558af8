package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// handshakes opens mutual TLS 1.3 connections for a time. One counts when a request on it was answered, which proves that the
// server took the client's certificate; after that it is closed.
func handshakes(args []string) error {
	flags := flag.NewFlagSet("handshakes", flag.ExitOnError)
	target := flags.String("target", "", "host:port")
	certFile := flags.String("cert", "", "certificate of the client")
	keyFile := flags.String("key", "", "its key")
	caFile := flags.String("ca", "", "roots")
	serverName := flags.String("name", "", "name of the server in its certificate")
	workers := flags.Int("workers", 8, "connections at once")
	seconds := flags.Float64("seconds", 4, "how long")
	resume := flags.Bool("resume", false, "offer the tickets of earlier sessions")
	_ = flags.Parse(args)
	cert, err := tls.LoadX509KeyPair(*certFile, *keyFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(*caFile)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("no roots in %s: %w", *caFile, err)
	}
	config := tls.Config{
		Certificates: []tls.Certificate{cert}, RootCAs: roots, ServerName: *serverName,
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP256}, NextProtos: []string{"http/1.1"},
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
				isResumed, err := handshakeOnce(*target, own)
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
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: web\r\n\r\n"); err != nil {
		return false, err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false, err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("an answer had status %d", answer.StatusCode))
	}
	return conn.ConnectionState().DidResume, err
}

func sum(counts []int) int {
	total := 0
	for _, count := range counts {
		total += count
	}
	return total
}
