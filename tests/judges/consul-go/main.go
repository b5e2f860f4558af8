// Command consul-judge calls every method of HashiCorp's Consul client on a running server and says of each what came of it.
//
// It prints one line of JSON per method: {"method":"KV.Get","outcome":"passed|failed|skipped","detail":"..."}. Methods are
// found by reflection, so one that nobody exercises is a failure of its own. It exits with 1 when anything failed.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

type outcome struct {
	Method  string `json:"method"`
	Outcome string `json:"outcome"`
	Detail  string `json:"detail,omitempty"`
}

type judge struct {
	client *api.Client
	seen   map[string]outcome
}

// try runs one check that exercises the given methods, separated by blanks.
func (j *judge) try(methods string, check func() error) {
	err := guard(check)
	for _, method := range strings.Fields(methods) {
		if err != nil {
			j.seen[method] = outcome{method, "failed", err.Error()}
		} else if _, known := j.seen[method]; !known {
			j.seen[method] = outcome{method, "passed", ""}
		}
	}
}

// guard makes an error of a panic and of a check that does not end.
func guard(check func() error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if thrown := recover(); thrown != nil {
				done <- fmt.Errorf("panic: %v", thrown)
			}
		}()
		done <- check()
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		return fmt.Errorf("not done after 20 s")
	}
}

func expect(holds bool, format string, values ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, values...)
}

// first gives the first error.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// eventually repeats a check until it holds.
func eventually(check func() error) error {
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = check(); err == nil {
			return nil
		}
	}
	return err
}

// expectError holds when the text of the error has all of the words.
func expectError(err error, words ...string) error {
	if err == nil {
		return fmt.Errorf("no error, expected one with %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			return fmt.Errorf("the error %q does not say %q", err, word)
		}
	}
	return nil
}

// groups are the types whose methods are all called, under the names that they are listed with.
var groups = map[string]any{
	"Agent": &api.Agent{}, "Catalog": &api.Catalog{}, "Health": &api.Health{}, "KV": &api.KV{}, "Lock": &api.Lock{},
	"Semaphore": &api.Semaphore{}, "Session": &api.Session{}, "Txn": &api.Txn{}, "Event": &api.Event{},
	"PreparedQuery": &api.PreparedQuery{}, "Connect": &api.Connect{}, "ConfigEntries": &api.ConfigEntries{},
	"ACL": &api.ACL{}, "Operator": &api.Operator{}, "Snapshot": &api.Snapshot{}, "Coordinate": &api.Coordinate{},
	"Status": &api.Status{}, "Peerings": &api.Peerings{}, "DiscoveryChain": &api.DiscoveryChain{}, "Internal": &api.Internal{},
}

func allMethods() []string {
	names := []string{"Client.ExportedServices"}
	for group, value := range groups {
		kind := reflect.TypeOf(value)
		for i := range kind.NumMethod() {
			names = append(names, group+"."+kind.Method(i).Name)
		}
	}
	sort.Strings(names)
	return names
}

const legacySetter = "the client itself refuses: deprecated in Consul 1.4"

// skipped are methods that no server of the community edition answers, with the reason.
var skipped = map[string]string{
	"Operator.AreaCreate": "enterprise", "Operator.AreaUpdate": "enterprise", "Operator.AreaGet": "enterprise",
	"Operator.AreaList": "enterprise", "Operator.AreaDelete": "enterprise", "Operator.AreaJoin": "enterprise",
	"Operator.AreaMembers": "enterprise", "Operator.SegmentList": "enterprise", "Operator.AuditHash": "enterprise",
	"Operator.LicenseGet": "enterprise", "Operator.LicenseGetSigned": "enterprise", "Operator.LicensePut": "enterprise",
	"Operator.LicenseReset": "enterprise", "ACL.OIDCAuthURL": "enterprise", "ACL.OIDCCallback": "enterprise",
	"ACL.Create": "legacy ACLs, removed in Consul 1.11", "ACL.Update": "legacy ACLs, removed in Consul 1.11",
	"ACL.Destroy": "legacy ACLs, removed in Consul 1.11", "ACL.Clone": "legacy ACLs, removed in Consul 1.11",
	"ACL.Info": "legacy ACLs, removed in Consul 1.11", "ACL.List": "legacy ACLs, removed in Consul 1.11",
	"Agent.UpdateACLToken": legacySetter, "Agent.UpdateACLAgentToken": legacySetter,
	"Agent.UpdateACLAgentMasterToken": legacySetter, "Agent.UpdateACLReplicationToken": legacySetter,
	"ACL.RulesTranslate": "removed in Consul 1.17", "ACL.RulesTranslateToken": "removed in Consul 1.17",
}

func connect(address, token string) *api.Client {
	client, err := api.NewClient(&api.Config{Address: address, Token: token})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	return client
}

func main() {
	if len(os.Args) == 6 && os.Args[1] == "slot" {
		holdSlot(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
		return
	}
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: consul-judge ADDRESS ADDRESS_WITH_ACLS MANAGEMENT_TOKEN\nThe second server has ACLs on; its token is bootstrapped when the third argument is empty.\n   or: consul-judge slot ADDRESS PREFIX LIMIT WAIT")
		os.Exit(2)
	}
	j := &judge{client: connect(os.Args[1], ""), seen: map[string]outcome{}}
	j.judgeAgent()
	j.judgeCatalog()
	j.judgeKV()
	j.judgeSessions()
	j.judgeQueries()
	j.judgeMesh()
	j.judgeOperator()
	j.judgeACL(os.Args[2], os.Args[3])
	// Last, since it ends the agent.
	j.try("Agent.Leave", func() error { return j.client.Agent().Leave() })

	failed := 0
	encoder := json.NewEncoder(os.Stdout)
	for _, method := range allMethods() {
		result, known := j.seen[method]
		reason, isSkipped := skipped[method]
		if !known && isSkipped {
			result = outcome{method, "skipped", reason}
		} else if !known {
			result = outcome{method, "failed", "not exercised"}
		}
		if result.Outcome == "failed" {
			failed++
		}
		if err := encoder.Encode(result); err != nil {
			os.Exit(2)
		}
	}
	if failed > 0 {
		os.Exit(1)
	}
}
