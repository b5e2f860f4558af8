package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/consul/proto-public/pbacl"
	"github.com/hashicorp/consul/proto-public/pbdataplane"
	"github.com/hashicorp/consul/proto-public/pbserverdiscovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type consulGrpcFigures struct {
	Health   map[string]string `json:"health"`
	Servers  []string          `json:"servers"`
	Features map[string]bool   `json:"features"`
	Secret   string            `json:"secret"`
	// Status and text of what failed, by method.
	Failed map[string]string `json:"failed"`
}

// consulGrpc asks a server what Consul's own clients ask over gRPC, with Consul's own stubs, and prints what it got.
func consulGrpc(args []string) error {
	flags := flag.NewFlagSet("consul-grpc", flag.ExitOnError)
	address := flags.String("address", "", "host:port")
	token := flags.String("token", "", "secret for the metadata x-consul-token")
	ca := flags.String("ca", "", "PEM file: speak TLS and trust its certificates")
	cert := flags.String("cert", "", "PEM file of the client's certificate and key")
	serverName := flags.String("server-name", "", "name that the certificate has to be for")
	method := flags.String("method", "", "auth method to log in with")
	bearer := flags.String("bearer", "", "token for the auth method")
	logout := flags.String("logout", "", "secret to log out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	transport := insecure.NewCredentials()
	if *ca != "" {
		config, err := tlsConfig(*ca, *cert, *serverName)
		if err != nil {
			return err
		}
		transport = credentials.NewTLS(config)
	}
	connection, err := grpc.NewClient(*address, grpc.WithTransportCredentials(transport))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if *token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "x-consul-token", *token)
	}
	figures := consulGrpcFigures{Health: map[string]string{}, Features: map[string]bool{}, Failed: map[string]string{}}
	note := func(what string, err error) {
		if err != nil {
			figures.Failed[what] = fmt.Sprintf("%s: %s", status.Code(err), status.Convert(err).Message())
		}
	}

	health := grpc_health_v1.NewHealthClient(connection)
	for _, name := range []string{"", "hashicorp.consul.acl.ACLService", "nothing"} {
		answer, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: name})
		note("Check "+name, err)
		if err == nil {
			figures.Health[name] = answer.Status.String()
		}
	}
	watch, err := health.Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err == nil {
		answer, err := watch.Recv()
		note("Watch", err)
		if err == nil {
			figures.Health["watched"] = answer.Status.String()
		}
	}

	stream, err := pbserverdiscovery.NewServerDiscoveryServiceClient(connection).WatchServers(ctx, &pbserverdiscovery.WatchServersRequest{})
	if err == nil {
		answer, err := stream.Recv()
		note("WatchServers", err)
		if err == nil {
			for _, server := range answer.Servers {
				figures.Servers = append(figures.Servers, fmt.Sprintf("%s %s %s", server.Id, server.Address, server.Version))
			}
		}
	}
	supported, err := pbdataplane.NewDataplaneServiceClient(connection).GetSupportedDataplaneFeatures(ctx, &pbdataplane.GetSupportedDataplaneFeaturesRequest{})
	note("GetSupportedDataplaneFeatures", err)
	if err == nil {
		for _, feature := range supported.SupportedDataplaneFeatures {
			figures.Features[feature.FeatureName.String()] = feature.Supported
		}
	}
	acl := pbacl.NewACLServiceClient(connection)
	if *method != "" {
		answer, err := acl.Login(ctx, &pbacl.LoginRequest{AuthMethod: *method, BearerToken: *bearer, Meta: map[string]string{"pod": "a/b"}})
		note("Login", err)
		if err == nil {
			figures.Secret = answer.Token.SecretId
		}
	}
	if *logout != "" {
		_, err := acl.Logout(ctx, &pbacl.LogoutRequest{Token: *logout})
		note("Logout", err)
	}
	return report(figures)
}

func tlsConfig(ca, cert, serverName string) (*tls.Config, error) {
	roots := x509.NewCertPool()
	text, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", ca)
	}
	config := &tls.Config{RootCAs: roots, ServerName: serverName}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, cert)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
