package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const checkTimeout = 10 * time.Second

// checker calls an echo service, of this program or of another that keeps the same contract.
type checker struct {
	conn *grpc.ClientConn
}

// The names are those of grpc-contract.ts, which wants every one of them.
var checks = map[string]func(checker, context.Context) error{
	"answers a call with what was sent, empty too":                       checker.unary,
	"carries 4 MB in one message, both ways":                             checker.large,
	"carries metadata of the request, header and binary trailer":         checker.metadata,
	"carries every status code with a message in any script":             checker.statuses,
	"streams from the client":                                            checker.clientStream,
	"streams from the server":                                            checker.serverStream,
	"streams both ways, message by message, and ends each way by itself": checker.bidi,
	"ends a call at its deadline, on both ends":                          checker.deadline,
	"ends a cancelled call, on both ends":                                checker.cancellation,
	"answers 200 calls at once, each with its own":                       checker.concurrent,
}

// grpcCheck runs every check and prints a line for each; the caller judges them.
func grpcCheck(args []string) error {
	flags := flag.NewFlagSet("grpc-check", flag.ExitOnError)
	target := flags.String("target", "", "host:port")
	_ = flags.Parse(args)
	return runChecks(*target, checks)
}

func runChecks(target string, checks map[string]func(checker, context.Context) error) error {
	conn, err := dial(target)
	if err != nil {
		return err
	}
	defer conn.Close()
	for name, check := range checks {
		ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
		problem := ""
		if err := check(checker{conn}, ctx); err != nil {
			problem = err.Error()
		}
		cancel()
		if err := report(map[string]string{"check": name, "problem": problem}); err != nil {
			return err
		}
	}
	return nil
}

func dial(target string) (*grpc.ClientConn, error) {
	calls := grpc.WithDefaultCallOptions(grpc.ForceCodec(rawCodec{}), grpc.MaxCallRecvMsgSize(maxMessageBytes))
	return grpc.NewClient("passthrough:///"+target, grpc.WithTransportCredentials(insecure.NewCredentials()), calls)
}

func (c checker) call(ctx context.Context, name string, request []byte, options ...grpc.CallOption) ([]byte, error) {
	var answer []byte
	err := c.conn.Invoke(ctx, method(name), &request, &answer, options...)
	return answer, err
}

func (c checker) echoes(ctx context.Context, request []byte) error {
	answer, err := c.call(ctx, "Unary", request)
	if err == nil && !bytes.Equal(answer, request) {
		err = fmt.Errorf("%d bytes came back as %d others", len(request), len(answer))
	}
	return err
}

func (c checker) unary(ctx context.Context) error {
	return errors.Join(c.echoes(ctx, []byte("hello")), c.echoes(ctx, nil))
}

func (c checker) large(ctx context.Context) error {
	return c.echoes(ctx, pattern(4<<20-1024, 3))
}

func (c checker) metadata(ctx context.Context) error {
	binary := "\x00\x01\xff binary"
	ctx = metadata.AppendToOutgoingContext(ctx, "x-header", "one", "x-header", "two", "x-trailer-bin", binary)
	var header, trailer metadata.MD
	if _, err := c.call(ctx, "Unary", nil, grpc.Header(&header), grpc.Trailer(&trailer)); err != nil {
		return err
	}
	// Fields of one name may be joined by a comma on the way (RFC 9110, 5.3).
	if got := fmt.Sprint(header.Get("x-header")); got != "[one two]" && got != "[one, two]" {
		return fmt.Errorf("the header came back as %s", got)
	}
	if got := trailer.Get("x-trailer-bin"); len(got) != 1 || got[0] != binary {
		return fmt.Errorf("the binary trailer came back as %q", got)
	}
	return nil
}

func (c checker) statuses(ctx context.Context) error {
	const message = "näher 100 % 日本\tend"
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		asking := metadata.AppendToOutgoingContext(ctx, "x-status", strconv.Itoa(int(code)), "x-message-bin", message)
		_, err := c.call(asking, "Unary", nil)
		if got := status.Convert(err); got.Code() != code || got.Message() != message {
			return fmt.Errorf("status %v came as %v %q", code, got.Code(), got.Message())
		}
	}
	return nil
}

func (c checker) clientStream(ctx context.Context) error {
	stream, err := c.conn.NewStream(ctx, &clientStreamDesc, method("ClientStream"))
	if err != nil {
		return err
	}
	size, sum := 0, uint32(0)
	for i := range 100 {
		message := pattern(i*317, i)
		size, sum = size+len(message), crc32.Update(sum, crc32.IEEETable, message)
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
	var answer []byte
	if err := errors.Join(stream.CloseSend(), stream.RecvMsg(&answer)); err != nil {
		return err
	}
	if want := fmt.Sprintf("%d %d %d", 100, size, sum); string(answer) != want {
		return fmt.Errorf("the server saw %s instead of %s", answer, want)
	}
	return nil
}

func (c checker) serverStream(ctx context.Context) error {
	return c.countStream(ctx, 100, 50_000)
}

// countStream reads a stream of the server to its end.
func (c checker) countStream(ctx context.Context, count, size int) error {
	stream, err := c.conn.NewStream(ctx, &serverStreamDesc, method("ServerStream"))
	if err != nil {
		return err
	}
	request := fmt.Appendf(nil, "%d %d", count, size)
	if err := errors.Join(stream.SendMsg(&request), stream.CloseSend()); err != nil {
		return err
	}
	want := pattern(size, 0)
	for got := 0; ; got++ {
		var message []byte
		if err := stream.RecvMsg(&message); errors.Is(err, io.EOF) && got == count {
			return nil
		} else if err != nil {
			return fmt.Errorf("after %d messages: %w", got, err)
		}
		if !bytes.Equal(message, want) {
			return fmt.Errorf("message %d has %d wrong bytes", got, len(message))
		}
	}
}

func (c checker) bidi(ctx context.Context) error {
	stream, err := c.conn.NewStream(ctx, &bidiDesc, method("Bidi"))
	if err != nil {
		return err
	}
	for i := range 50 {
		message, answer := pattern(i*101, i), []byte(nil)
		if err := errors.Join(stream.SendMsg(&message), stream.RecvMsg(&answer)); err != nil {
			return err
		}
		if !bytes.Equal(message, answer) {
			return fmt.Errorf("message %d came back as %d other bytes", i, len(answer))
		}
	}
	var rest []byte
	if err := errors.Join(stream.CloseSend(), stream.RecvMsg(&rest)); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the stream ended with %v", err)
	}
	return nil
}

func (c checker) deadline(ctx context.Context) error {
	return c.endsEarly(ctx, codes.DeadlineExceeded, func(calling context.Context) context.Context {
		limited, cancel := context.WithTimeout(calling, 200*time.Millisecond)
		context.AfterFunc(limited, cancel)
		return limited
	})
}

func (c checker) cancellation(ctx context.Context) error {
	return c.endsEarly(ctx, codes.Canceled, func(calling context.Context) context.Context {
		cancellable, cancel := context.WithCancel(calling)
		time.AfterFunc(100*time.Millisecond, cancel)
		return cancellable
	})
}

// endsEarly makes a call that hangs and wants its code here and one more ended call there.
func (c checker) endsEarly(ctx context.Context, code codes.Code, limit func(context.Context) context.Context) error {
	before, err := c.call(ctx, "Ended", nil)
	if err != nil {
		return err
	}
	_, err = c.call(limit(metadata.AppendToOutgoingContext(ctx, "x-hang", "yes")), "Unary", nil)
	if status.Code(err) != code {
		return fmt.Errorf("the call ended with %v", err)
	}
	for {
		after, err := c.call(ctx, "Ended", nil)
		if err != nil {
			return fmt.Errorf("the server never saw the end of the call: %w", err)
		}
		if !bytes.Equal(before, after) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (c checker) concurrent(ctx context.Context) error {
	problems := make([]error, 200)
	var group sync.WaitGroup
	for i := range problems {
		group.Go(func() { problems[i] = c.echoes(ctx, pattern(i*97, i)) })
	}
	group.Wait()
	return errors.Join(problems...)
}
