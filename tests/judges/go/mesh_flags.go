package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"os"
)

// meshOptions say whom a command connects to over mutual TLS, and as whom.
type meshOptions struct {
	target, certFile, keyFile, caFile, serverName *string
}

func meshFlags(flags *flag.FlagSet) meshOptions {
	return meshOptions{
		target:     flags.String("target", "", "host:port"),
		certFile:   flags.String("cert", "", "certificate of the client"),
		keyFile:    flags.String("key", "", "its key"),
		caFile:     flags.String("ca", "", "roots"),
		serverName: flags.String("name", "", "name of the server in its certificate"),
	}
}

// config offers HTTP/1.1 over TLS 1.3 with P-256.
func (options meshOptions) config() (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(*options.certFile, *options.keyFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(*options.caFile)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("no roots in %s: %w", *options.caFile, err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert}, RootCAs: roots, ServerName: *options.serverName,
		MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.CurveP256}, NextProtos: []string{"http/1.1"},
	}, nil
}
