package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strconv"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const maxMessageBytes = 16 << 20

// echoServer counts the calls that ended before it answered, and the tries of those that have a name (grpc_trouble.go).
type echoServer struct {
	ended atomic.Int64
	tries tryCounts
}

// grpcServe serves until it is killed, and prints the port first.
func grpcServe(args []string) error {
	flags := flag.NewFlagSet("grpc-serve", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address")
	_ = flags.Parse(args)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.MaxRecvMsgSize(maxMessageBytes))
	server.RegisterService(serviceDesc(), &echoServer{})
	if err := report(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port}); err != nil {
		return err
	}
	return server.Serve(listener)
}

func serviceDesc() *grpc.ServiceDesc {
	stream := func(desc grpc.StreamDesc, handle func(*echoServer, grpc.ServerStream) error) grpc.StreamDesc {
		desc.Handler = func(server any, stream grpc.ServerStream) error { return handle(server.(*echoServer), stream) }
		return desc
	}
	unary := func(name string, handle func(*echoServer, context.Context, []byte) ([]byte, error)) grpc.MethodDesc {
		return grpc.MethodDesc{MethodName: name, Handler: func(server any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			var request []byte
			if err := decode(&request); err != nil {
				return nil, err
			}
			answer, err := handle(server.(*echoServer), ctx, request)
			return &answer, err
		}}
	}
	return &grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{
			unary("Unary", (*echoServer).unary),
			unary("Ended", func(s *echoServer, _ context.Context, _ []byte) ([]byte, error) {
				return []byte(strconv.FormatInt(s.ended.Load(), 10)), nil
			}),
			unary("Tries", func(s *echoServer, _ context.Context, call []byte) ([]byte, error) {
				return []byte(strconv.Itoa(s.tries.of(string(call)))), nil
			}),
		},
		Streams: []grpc.StreamDesc{
			stream(clientStreamDesc, (*echoServer).clientStream),
			stream(serverStreamDesc, (*echoServer).serverStream),
			stream(bidiDesc, (*echoServer).bidi),
		},
	}
}

// unary reads from the request's metadata: `x-hang` waits for the end of the call, `x-status` and `x-message-bin` are the status to
// answer, `x-header` and `x-trailer-bin` come back as header and as trailer.
func (s *echoServer) unary(ctx context.Context, request []byte) ([]byte, error) {
	if err := s.trouble(ctx); err != nil {
		return nil, err
	}
	asked := askedBy(ctx)
	if asked.text("x-hang") != "" {
		<-ctx.Done()
		s.ended.Add(1)
		return nil, ctx.Err()
	}
	if values := metadata.MD(asked).Get("x-header"); len(values) > 0 {
		header := metadata.MD{"x-header": values}
		if err := grpc.SetHeader(ctx, header); err != nil {
			return nil, err
		}
	}
	if value := asked.text("x-trailer-bin"); value != "" {
		if err := grpc.SetTrailer(ctx, metadata.Pairs("x-trailer-bin", value)); err != nil {
			return nil, err
		}
	}
	if asked.text("x-call") == "" {
		return request, asked.status()
	}
	return request, nil
}

func (s *echoServer) clientStream(stream grpc.ServerStream) error {
	count, size, sum := 0, 0, uint32(0)
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			answer := fmt.Appendf(nil, "%d %d %d", count, size, sum)
			return stream.SendMsg(&answer)
		}
		if err != nil {
			s.ended.Add(1)
			return err
		}
		count, size, sum = count+1, size+len(message), crc32.Update(sum, crc32.IEEETable, message)
	}
}

func (s *echoServer) serverStream(stream grpc.ServerStream) error {
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	var count, size int
	if _, err := fmt.Sscanf(string(request), "%d %d", &count, &size); err != nil || count < 0 || size < 0 || size > maxMessageBytes {
		return status.Error(codes.InvalidArgument, "the request must be COUNT BYTES")
	}
	if err := s.trouble(stream.Context()); err != nil {
		return err
	}
	asked := askedBy(stream.Context())
	message := pattern(size, 0)
	for sent := range count {
		if asked.text("x-break-after") != "" && sent == asked.number("x-break-after") {
			return asked.status()
		}
		if err := stream.SendMsg(&message); err != nil {
			s.ended.Add(1)
			return err
		}
	}
	return nil
}

func (s *echoServer) bidi(stream grpc.ServerStream) error {
	for {
		var message []byte
		err := stream.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			s.ended.Add(1)
			return err
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}
