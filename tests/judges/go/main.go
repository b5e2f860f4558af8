// Judge is the outside of the proxy in Go: gRPC peers built on grpc-go that check each other through it, and the loads of
// the benchmarks that no packaged program makes.
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

var commands = map[string]func(args []string) error{
	"grpc-serve":    grpcServe,
	"grpc-check":    grpcCheck,
	"grpc-load":     grpcLoad,
	"grpc-policies": grpcPolicies,
	"consul-grpc":   consulGrpc,
	"ext-authz":     extAuthz,
	"open-loop":     openLoop,
	"handshakes":    handshakes,
	"hold":          hold,
	"storm":         storm,
	"hcl":           readHcl,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: judge COMMAND -h, with COMMAND one of: grpc-serve grpc-check grpc-load grpc-policies consul-grpc ext-authz open-loop handshakes hold storm hcl")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// report prints one JSON line, which is how the callers read what was found.
func report(figure any) error {
	return json.NewEncoder(os.Stdout).Encode(figure)
}
