package main

import (
	"bufio"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// hold opens many HTTP/1.1 connections, sends one request on each, says so, and keeps them until its standard input ends. Idle ones
// read the whole answer; slow ones read a little of it now and then.
func hold(args []string) error {
	flags := flag.NewFlagSet("hold", flag.ExitOnError)
	target := flags.String("target", "", "host:port")
	path := flags.String("path", "/", "what to ask for")
	connections := flags.Int("connections", 1000, "how many")
	slowBytes := flags.Int("slow-bytes", 0, "read only that many bytes every 100 ms; 0 reads all at once")
	_ = flags.Parse(args)
	problems := make([]error, *connections)
	conns := make([]net.Conn, *connections)
	limit := make(chan struct{}, 64)
	var group sync.WaitGroup
	for i := range conns {
		limit <- struct{}{}
		group.Go(func() {
			conns[i], problems[i] = holdOne(*target, *path, *slowBytes > 0)
			<-limit
		})
	}
	group.Wait()
	if err := errors.Join(problems...); err != nil {
		return err
	}
	if *slowBytes > 0 {
		for _, conn := range conns {
			go readSlowly(conn, *slowBytes)
		}
	}
	if err := report(map[string]int{"holding": len(conns)}); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func holdOne(target, path string, isSlow bool) (net.Conn, error) {
	conn, err := net.Dial("tcp", target)
	if err != nil {
		return nil, err
	}
	if isSlow {
		// What the kernel takes for a slow reader is not the proxy's to hold.
		if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
			return nil, err
		}
	}
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: web\r\n\r\n"); err != nil || isSlow {
		return conn, err
	}
	answer, err := http.ReadResponse(bufio.NewReaderSize(conn, 4096), nil)
	if err != nil {
		return nil, err
	}
	return conn, wholeAnswer(answer)
}

func readSlowly(conn net.Conn, bytes int) {
	buffer := make([]byte, bytes)
	for {
		if _, err := conn.Read(buffer); err != nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}
