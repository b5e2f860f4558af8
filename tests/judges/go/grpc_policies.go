package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The names are those of grpc-contract.ts, and the routes those of grpc-policies.test.ts.
var policyChecks = map[string]func(checker, context.Context) error{
	"is tried again while the server is unavailable, exhausted or cancels": checker.retried,
	"is told a status that is not to be tried again, after one try":        checker.notRetried,
	"is told the last status when every try has failed":                    checker.retriedInVain,
	"is not tried again beyond the budget":                                 checker.budget,
	"is not tried again with a message longer than what is kept of it":     checker.tooLongToRetry,
	"is tried again when a try has had its time":                           checker.tryTimeout,
	"is told when the last try has had its time":                           checker.lastTryTimeout,
	"ends at its own deadline before the time of its route, on both ends":  checker.ownDeadline,
	"ends at the time of its route before its own deadline, on both ends":  checker.routeTimeout,
	"hears of a destination without endpoints that it is unavailable":      checker.noEndpoint,
	"hears of a denial that it has no permission":                          checker.denied,
	"hears of no route that nobody implements it":                          checker.noRoute,
	"hears of a limit that is spent that it is unavailable":                checker.limited,
	"as a stream is tried again when it fails before its first message":    checker.streamRetried,
	"as a stream is not tried again when it fails after its first message": checker.streamNotRetried,
}

// grpcPolicies runs every check and prints a line for each; the caller judges them.
func grpcPolicies(args []string) error {
	flags := flag.NewFlagSet("grpc-policies", flag.ExitOnError)
	target := flags.String("target", "", "host:port")
	_ = flags.Parse(args)
	return runChecks(*target, policyChecks)
}

var calls = struct {
	sync.Mutex
	count int
}{}

// nameCall is a name that no other call has, of this process or another.
func nameCall() string {
	calls.Lock()
	defer calls.Unlock()
	calls.count++
	return fmt.Sprintf("go-%d-%d", os.Getpid(), calls.count)
}

// wanted is what a call shall come to.
type wanted struct {
	route string
	code  codes.Code
	tries int
	// The metadata that asks the server for trouble, key after value.
	asking []string
}

func (c checker) outgoing(ctx context.Context, route, call string, asking ...string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, append([]string{"x-route", route, "x-call", call}, asking...)...)
}

func (c checker) tries(ctx context.Context, call string) (int, error) {
	answer, err := c.call(ctx, "Tries", []byte(call))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(answer))
}

// comesTo makes one call and compares its code and how often the server was asked.
func (c checker) comesTo(ctx context.Context, want wanted, request []byte) error {
	call := nameCall()
	answer, err := c.call(c.outgoing(ctx, want.route, call, want.asking...), "Unary", request)
	if got := status.Code(err); got != want.code {
		return fmt.Errorf("the call came to %v instead of %v: %w", got, want.code, err)
	}
	if err == nil && !bytes.Equal(answer, request) {
		return fmt.Errorf("%d bytes came back as %d others", len(request), len(answer))
	}
	tries, err := c.tries(ctx, call)
	if err == nil && tries != want.tries {
		err = fmt.Errorf("the server was asked %d times instead of %d", tries, want.tries)
	}
	return err
}

func failing(first int, code codes.Code, more ...string) []string {
	return append([]string{"x-fail-first", strconv.Itoa(first), "x-status", strconv.Itoa(int(code))}, more...)
}

func (c checker) retried(ctx context.Context) error {
	for _, code := range []codes.Code{codes.Unavailable, codes.ResourceExhausted, codes.Canceled} {
		want := wanted{route: "retry", code: codes.OK, tries: 3, asking: failing(2, code)}
		if err := c.comesTo(ctx, want, []byte("again")); err != nil {
			return fmt.Errorf("%v: %w", code, err)
		}
	}
	return nil
}

func (c checker) notRetried(ctx context.Context) error {
	want := wanted{route: "retry", code: codes.Internal, tries: 1, asking: failing(1, codes.Internal)}
	return c.comesTo(ctx, want, nil)
}

func (c checker) retriedInVain(ctx context.Context) error {
	want := wanted{route: "retry", code: codes.Unavailable, tries: 3, asking: failing(9, codes.Unavailable)}
	return c.comesTo(ctx, want, nil)
}

func (c checker) tooLongToRetry(ctx context.Context) error {
	want := wanted{route: "retry", code: codes.Unavailable, tries: 1, asking: failing(1, codes.Unavailable)}
	return c.comesTo(ctx, want, pattern(1<<20, 1))
}

// budget wants that of 50 calls at once a fifth are tried again, and that all hear of the failure.
func (c checker) budget(ctx context.Context) error {
	const calls, most = 50, 60
	call := nameCall()
	failingCall := c.outgoing(ctx, "budget", call, failing(1_000, codes.Unavailable, "x-delay-ms", "200")...)
	problems := make([]error, calls)
	var group sync.WaitGroup
	for i := range problems {
		group.Go(func() {
			if _, err := c.call(failingCall, "Unary", nil); status.Code(err) != codes.Unavailable {
				problems[i] = fmt.Errorf("a call came to %v", err)
			}
		})
	}
	group.Wait()
	tries, err := c.tries(ctx, call)
	if err == nil && (tries <= calls || tries > most) {
		err = fmt.Errorf("for %d calls the server was asked %d times", calls, tries)
	}
	return errors.Join(append(problems, err)...)
}

func (c checker) tryTimeout(ctx context.Context) error {
	want := wanted{route: "per-try", code: codes.OK, tries: 2, asking: []string{"x-hang-first", "1"}}
	return c.comesTo(ctx, want, []byte("again"))
}

func (c checker) lastTryTimeout(ctx context.Context) error {
	want := wanted{route: "per-try", code: codes.DeadlineExceeded, tries: 2, asking: []string{"x-hang-first", "9"}}
	return c.comesTo(ctx, want, nil)
}

func (c checker) ownDeadline(ctx context.Context) error {
	return c.endsEarly(c.outgoing(ctx, "long", ""), codes.DeadlineExceeded, func(calling context.Context) context.Context {
		limited, cancel := context.WithTimeout(calling, 200*time.Millisecond)
		context.AfterFunc(limited, cancel)
		return limited
	})
}

// routeTimeout has a client with ten seconds, so that only the route can end the call before.
func (c checker) routeTimeout(ctx context.Context) error {
	began := time.Now()
	err := c.endsEarly(c.outgoing(ctx, "short", ""), codes.DeadlineExceeded, func(calling context.Context) context.Context {
		return calling
	})
	if took := time.Since(began); err == nil && (took < 250*time.Millisecond || took > checkTimeout/2) {
		err = fmt.Errorf("the call ended after %v", took)
	}
	return err
}

func (c checker) noEndpoint(ctx context.Context) error {
	return c.comesTo(ctx, wanted{route: "gone", code: codes.Unavailable}, nil)
}

func (c checker) denied(ctx context.Context) error {
	return c.comesTo(ctx, wanted{route: "denied", code: codes.PermissionDenied}, nil)
}

func (c checker) noRoute(ctx context.Context) error {
	return c.comesTo(ctx, wanted{route: "nowhere", code: codes.Unimplemented}, nil)
}

// limited has a route whose limit is one call in a time that no test lasts for: it may be another client's.
func (c checker) limited(ctx context.Context) error {
	_, _ = c.call(c.outgoing(ctx, "limited", ""), "Unary", nil)
	return c.comesTo(ctx, wanted{route: "limited", code: codes.Unavailable}, nil)
}

func (c checker) streamRetried(ctx context.Context) error {
	return c.streamComesTo(ctx, 10, wanted{route: "retry", tries: 2, asking: failing(1, codes.Unavailable)})
}

func (c checker) streamNotRetried(ctx context.Context) error {
	breaking := []string{"x-break-after", "3", "x-status", strconv.Itoa(int(codes.Unavailable))}
	return c.streamComesTo(ctx, 3, wanted{route: "retry", code: codes.Unavailable, tries: 1, asking: breaking})
}

// streamComesTo asks for ten messages of the server and counts those that come.
func (c checker) streamComesTo(ctx context.Context, messages int, want wanted) error {
	call := nameCall()
	stream, err := c.conn.NewStream(c.outgoing(ctx, want.route, call, want.asking...), &serverStreamDesc, method("ServerStream"))
	if err != nil {
		return err
	}
	request := []byte("10 100")
	if err := errors.Join(stream.SendMsg(&request), stream.CloseSend()); err != nil {
		return err
	}
	got := 0
	for {
		var message []byte
		if err = stream.RecvMsg(&message); err != nil {
			break
		}
		got++
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if code := status.Code(err); code != want.code || got != messages {
		return fmt.Errorf("%d messages came and then %v", got, err)
	}
	tries, err := c.tries(ctx, call)
	if err == nil && tries != want.tries {
		err = fmt.Errorf("the server was asked %d times instead of %d", tries, want.tries)
	}
	return err
}
