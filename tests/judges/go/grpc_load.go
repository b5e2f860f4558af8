package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
)

// grpcLoad keeps server streams of small messages going on several connections for a time and counts the messages. Any error
// ends it.
func grpcLoad(args []string) error {
	flags := flag.NewFlagSet("grpc-load", flag.ExitOnError)
	target := flags.String("target", "", "host:port")
	connections := flags.Int("connections", 4, "connections")
	streams := flags.Int("streams", 4, "streams at once on each connection")
	size := flags.Int("size", 100, "bytes of a message")
	perStream := flags.Int("messages", 1000, "messages of a stream")
	seconds := flags.Float64("seconds", 4, "how long")
	_ = flags.Parse(args)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(*seconds*float64(time.Second)))
	defer cancel()
	var messages atomic.Int64
	var group sync.WaitGroup
	problems := make(chan error, *connections**streams)
	for range *connections {
		conn, err := dial(*target)
		if err != nil {
			return err
		}
		defer conn.Close()
		for range *streams {
			group.Go(func() { problems <- streamUntil(ctx, conn, *perStream, *size, &messages) })
		}
	}
	group.Wait()
	close(problems)
	for err := range problems {
		if err != nil {
			return err
		}
	}
	return report(map[string]any{"messages": messages.Load(), "seconds": *seconds})
}

// streamUntil starts one stream after the other until the time is over; the last one is finished.
func streamUntil(ctx context.Context, conn *grpc.ClientConn, count, size int, messages *atomic.Int64) error {
	for ctx.Err() == nil {
		stream, err := conn.NewStream(context.Background(), &serverStreamDesc, method("ServerStream"))
		if err != nil {
			return err
		}
		request := fmt.Appendf(nil, "%d %d", count, size)
		if err := errors.Join(stream.SendMsg(&request), stream.CloseSend()); err != nil {
			return err
		}
		message := make([]byte, 0, size)
		got := 0
		for ; ; got++ {
			err := stream.RecvMsg(&message)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			messages.Add(1)
		}
		if got != count {
			return fmt.Errorf("a stream had %d messages instead of %d", got, count)
		}
	}
	return nil
}
