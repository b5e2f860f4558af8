package main

import (
	"context"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// tryCounts says how often the server was asked for each call that has a name.
type tryCounts struct {
	mutex  sync.Mutex
	counts map[string]int
}

func (t *tryCounts) add(call string) int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if t.counts == nil {
		t.counts = map[string]int{}
	}
	t.counts[call]++
	return t.counts[call]
}

func (t *tryCounts) of(call string) int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return t.counts[call]
}

// asked is the metadata of a request, of which the first value of each key counts.
type asked metadata.MD

func askedBy(ctx context.Context) asked {
	values, _ := metadata.FromIncomingContext(ctx)
	return asked(values)
}

func (a asked) text(key string) string {
	if values := metadata.MD(a).Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

func (a asked) number(key string) int {
	number, _ := strconv.Atoi(a.text(key))
	return number
}

func (a asked) status() error {
	return status.Error(codes.Code(a.number("x-status")), a.text("x-message-bin"))
}

// trouble is what a call asks for by its metadata: `x-call` names it, so that its tries are counted, `x-hang-first` is how many
// of them wait for their end, `x-fail-first` how many fail with `x-status`, `x-delay-ms` how long those take.
func (s *echoServer) trouble(ctx context.Context) error {
	a := askedBy(ctx)
	call := a.text("x-call")
	if call == "" {
		return nil
	}
	try := s.tries.add(call)
	if try <= a.number("x-hang-first") {
		<-ctx.Done()
		s.ended.Add(1)
		return ctx.Err()
	}
	if try <= a.number("x-fail-first") {
		time.Sleep(time.Duration(a.number("x-delay-ms")) * time.Millisecond)
		return a.status()
	}
	return nil
}
