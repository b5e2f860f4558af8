package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// loopConn is a keep-alive connection; its reader takes the time of each answer.
type loopConn struct {
	net.Conn
	reader *bufio.Reader
}

// openLoop sends HTTP/1.1 GETs at fixed points of time, whether or not earlier ones were answered, each on an idle connection. A
// request's time runs from the point at which it was due, so a stall counts for everything that it held up.
func openLoop(args []string) error {
	flags := flag.NewFlagSet("open-loop", flag.ExitOnError)
	target := flags.String("target", "", "host:port")
	rate := flags.Int("rate", 1000, "requests per second")
	seconds := flags.Float64("seconds", 5, "how long")
	connections := flags.Int("connections", 64, "connections, opened before the start")
	_ = flags.Parse(args)
	idle := make(chan *loopConn, *connections)
	for range *connections {
		conn, err := net.Dial("tcp", *target)
		if err != nil {
			return err
		}
		defer conn.Close()
		idle <- &loopConn{Conn: conn, reader: bufio.NewReader(conn)}
	}
	request := []byte("GET / HTTP/1.1\r\nHost: " + *target + "\r\n\r\n")
	total := int(float64(*rate) * *seconds)
	times := make([]time.Duration, total)
	problems := make(chan error, total)
	// The pace is kept by a thread of its own: the runtime's timers are late by up to a millisecond.
	runtime.LockOSThread()
	start := time.Now()
	for i := range total {
		due := start.Add(time.Duration(i) * time.Second / time.Duration(*rate))
		if wait := time.Until(due); wait > 0 {
			pause := syscall.NsecToTimespec(int64(wait))
			_ = syscall.Nanosleep(&pause, nil)
		}
		conn := <-idle
		if _, err := conn.Write(request); err != nil {
			return err
		}
		go func() {
			err := readAnswer(conn)
			times[i] = time.Since(due)
			problems <- err
			idle <- conn
		}()
	}
	for range total {
		if err := <-problems; err != nil {
			return err
		}
	}
	slices.Sort(times)
	at := func(share float64) float64 { return float64(times[int(share*float64(total-1))].Microseconds()) / 1000 }
	return report(map[string]any{"requests": total, "p50_ms": at(0.5), "p99_ms": at(0.99), "p999_ms": at(0.999), "max_ms": at(1)})
}

func readAnswer(conn *loopConn) error {
	answer, err := http.ReadResponse(conn.reader, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	if answer.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("an answer had status %d", answer.StatusCode))
	}
	return err
}
