package main

import (
	"fmt"

	"google.golang.org/grpc"
)

// The service that every gRPC peer of the tests offers. A message is plain bytes, so no generated code is needed.
//
//	Unary         answers with the request; its metadata can ask for more (see grpc_serve.go)
//	ClientStream  answers "COUNT BYTES CRC32" of all that came
//	ServerStream  the request is "COUNT BYTES": that many messages of that size
//	Bidi          answers every message with itself, at once
//	Tries         answers how often the server was asked for the call of that name (see grpc_trouble.go)
//	Ended         answers how many calls the server saw end early (cancelled or past their deadline)
const serviceName = "atoll.judge.Echo"

// rawCodec passes bytes through. It calls itself proto, so that the content type is the one that everybody sends.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) {
	bytes, ok := v.(*[]byte)
	if !ok {
		return nil, fmt.Errorf("a message must be *[]byte, not %T", v)
	}
	return *bytes, nil
}

func (rawCodec) Unmarshal(data []byte, v any) error {
	bytes, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("a message must be *[]byte, not %T", v)
	}
	*bytes = append((*bytes)[:0], data...)
	return nil
}

func method(name string) string { return "/" + serviceName + "/" + name }

var (
	clientStreamDesc = grpc.StreamDesc{StreamName: "ClientStream", ClientStreams: true}
	serverStreamDesc = grpc.StreamDesc{StreamName: "ServerStream", ServerStreams: true}
	bidiDesc         = grpc.StreamDesc{StreamName: "Bidi", ClientStreams: true, ServerStreams: true}
)

// pattern is n bytes that differ from message to message and from place to place.
func pattern(n int, seed int) []byte {
	bytes := make([]byte, n)
	for i := range bytes {
		bytes[i] = byte(i*31 + i>>8 + seed*7)
	}
	return bytes
}
