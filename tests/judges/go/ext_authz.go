package main

import (
	"context"
	"flag"
	"fmt"
	"net"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	auth "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	envoytype "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// authorizer answers with Envoy's own types. What it does is in the field x-authz of the request that it is asked about.
type authorizer struct {
	auth.UnimplementedAuthorizationServer
}

// extAuthz serves until it is killed, and prints the port first.
func extAuthz(args []string) error {
	flags := flag.NewFlagSet("ext-authz", flag.ExitOnError)
	listen := flags.String("listen", "127.0.0.1:0", "address")
	_ = flags.Parse(args)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	auth.RegisterAuthorizationServer(server, authorizer{})
	if err := report(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port}); err != nil {
		return err
	}
	return server.Serve(listener)
}

func (authorizer) Check(ctx context.Context, request *auth.CheckRequest) (*auth.CheckResponse, error) {
	if err := unknownFields(request); err != nil {
		return nil, err
	}
	switch behaviour(request) {
	case "allow":
		return &auth.CheckResponse{
			Status:       &rpc.Status{Code: int32(codes.OK)},
			HttpResponse: &auth.CheckResponse_OkResponse{OkResponse: changes()},
		}, nil
	case "fail":
		return &auth.CheckResponse{
			Status: &rpc.Status{Code: int32(codes.Unavailable)},
			HttpResponse: &auth.CheckResponse_ErrorResponse{
				ErrorResponse: says(envoytype.StatusCode_ServiceUnavailable, option("retry-after", "7"), "later"),
			},
		}, nil
	case "slow":
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		text, err := protojson.Marshal(request)
		if err != nil {
			return nil, err
		}
		return &auth.CheckResponse{
			Status: &rpc.Status{Code: int32(codes.Unauthenticated), Message: "no"},
			HttpResponse: &auth.CheckResponse_DeniedResponse{
				DeniedResponse: says(envoytype.StatusCode_Unauthorized, option("www-authenticate", "Bearer"), string(text)),
			},
		}, nil
	}
}

func changes() *auth.OkHttpResponse {
	appended := option("x-tag", "b")
	appended.Append = wrapperspb.Bool(true)
	absent := option("x-user", "bob")
	absent.AppendAction = core.HeaderValueOption_ADD_IF_ABSENT
	existing := option("x-none", "1")
	existing.AppendAction = core.HeaderValueOption_OVERWRITE_IF_EXISTS
	raw := &core.HeaderValueOption{Header: &core.HeaderValue{Key: "x-raw", RawValue: []byte("caf\xe9")}}
	return &auth.OkHttpResponse{
		Headers:                 []*core.HeaderValueOption{option("x-user", "alice"), appended, absent, existing, raw},
		HeadersToRemove:         []string{"X-Secret", "host", ":path"},
		ResponseHeadersToAdd:    []*core.HeaderValueOption{option("set-cookie", "seen=1")},
		QueryParametersToSet:    []*core.QueryParameter{{Key: "user", Value: "a&b"}},
		QueryParametersToRemove: []string{"token"},
	}
}

func says(code envoytype.StatusCode, field *core.HeaderValueOption, body string) *auth.DeniedHttpResponse {
	return &auth.DeniedHttpResponse{
		Status:  &envoytype.HttpStatus{Code: code},
		Headers: []*core.HeaderValueOption{field},
		Body:    body,
	}
}

func option(name, value string) *core.HeaderValueOption {
	return &core.HeaderValueOption{Header: &core.HeaderValue{Key: name, Value: value}}
}

// behaviour reads the field from whichever of the two forms the request came in.
func behaviour(request *auth.CheckRequest) string {
	http := request.GetAttributes().GetRequest().GetHttp()
	for _, header := range http.GetHeaderMap().GetHeaders() {
		if header.GetKey() == "x-authz" {
			return string(header.GetRawValue())
		}
	}
	return http.GetHeaders()["x-authz"]
}

// unknownFields finds what Envoy's messages do not have, at any depth.
func unknownFields(message proto.Message) error {
	return protorange.Range(message.ProtoReflect(), func(values protopath.Values) error {
		step := values.Index(-1)
		if kind := step.Step.Kind(); kind != protopath.UnknownAccessStep {
			return nil
		}
		return status.Error(codes.InvalidArgument, fmt.Sprintf("unknown fields in %v", values.Path))
	})
}
