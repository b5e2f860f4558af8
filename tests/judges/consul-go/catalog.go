package main

import (
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

// judgeCatalog exercises catalog, health, coordinates and status with a node that no agent looks after.
func (j *judge) judgeCatalog() {
	catalog, health := j.client.Catalog(), j.client.Health()
	registration := &api.CatalogRegistration{
		Node: "judge-node", Address: "10.9.9.9", NodeMeta: map[string]string{"rack": "r1"},
		Service: &api.AgentService{ID: "judge-api-1", Service: "judge-api", Tags: []string{"v1", "blue"}, Port: 7000, Meta: map[string]string{"k": "v"}},
		Checks: api.HealthChecks{
			{CheckID: "judge-alive", Name: "alive", Status: api.HealthPassing},
			{CheckID: "judge-api-ok", Name: "ok", Status: api.HealthPassing, ServiceID: "judge-api-1"},
		},
	}
	j.try("Catalog.Register", func() error { _, err := catalog.Register(registration, nil); return err })
	j.try("Catalog.Register", func() error {
		_, err := catalog.Register(&api.CatalogRegistration{Address: "10.0.0.1"}, nil)
		return expectError(err, "400", "node")
	})
	j.try("Catalog.Datacenters", func() error {
		names, err := catalog.Datacenters()
		return first(err, expect(len(names) == 1 && names[0] == "dc1", "%v", names))
	})
	j.try("Catalog.Nodes", func() error {
		nodes, meta, err := catalog.Nodes(&api.QueryOptions{NodeMeta: map[string]string{"rack": "r1"}})
		filtered, _, filterErr := catalog.Nodes(&api.QueryOptions{Filter: `Meta.rack == "r1" and Node == "judge-node"`})
		return first(err, filterErr, expect(len(nodes) == 1 && nodes[0].Node == "judge-node" && nodes[0].Address == "10.9.9.9", "%v", nodes),
			expect(len(filtered) == 1, "%v", filtered), expect(meta.LastIndex > 0 && meta.KnownLeader, "%+v", meta))
	})
	j.try("Catalog.Services", func() error {
		services, _, err := catalog.Services(nil)
		return first(err, expect(len(services["judge-api"]) == 2 && services["consul"] != nil, "%v", services))
	})
	j.try("Catalog.Service Catalog.ServiceMultipleTags", func() error {
		one, _, err := catalog.Service("judge-api", "V1", nil)
		both, _, bothErr := catalog.ServiceMultipleTags("judge-api", []string{"v1", "blue"}, nil)
		none, _, noneErr := catalog.ServiceMultipleTags("judge-api", []string{"v1", "green"}, nil)
		filtered, _, filterErr := catalog.Service("judge-api", "", &api.QueryOptions{Filter: `ServiceMeta.k == "v" and ServicePort == 7000`})
		return first(err, bothErr, noneErr, filterErr, expect(len(one) == 1 && len(both) == 1 && len(none) == 0 && len(filtered) == 1, "%d %d %d %d",
			len(one), len(both), len(none), len(filtered)),
			expect(one[0].Node == "judge-node" && one[0].ServiceID == "judge-api-1" && one[0].ServicePort == 7000 && one[0].NodeMeta["rack"] == "r1", "%+v", one[0]))
	})
	j.try("Catalog.Service", func() error {
		_, _, err := catalog.Service("judge-api", "", &api.QueryOptions{Filter: `Nonsense == 1`})
		return expectError(err, "Failed to create boolean expression evaluator")
	})
	j.try("Catalog.Connect Catalog.ConnectMultipleTags Health.Connect Health.ConnectMultipleTags", func() error {
		native := &api.CatalogRegistration{Node: "judge-node", Address: "10.9.9.9", SkipNodeUpdate: true, Service: &api.AgentService{
			ID: "judge-native-1", Service: "judge-native", Port: 7001, Tags: []string{"t"}, Connect: &api.AgentServiceConnect{Native: true}}}
		if _, err := catalog.Register(native, nil); err != nil {
			return err
		}
		services, _, err := catalog.Connect("judge-native", "t", nil)
		tagged, _, taggedErr := catalog.ConnectMultipleTags("judge-native", []string{"t"}, nil)
		entries, _, entriesErr := health.Connect("judge-native", "t", false, nil)
		taggedEntries, _, taggedEntriesErr := health.ConnectMultipleTags("judge-native", []string{"t"}, true, nil)
		return first(err, taggedErr, entriesErr, taggedEntriesErr, expect(len(services) == 1 && len(tagged) == 1 && len(entries) == 1 && len(taggedEntries) == 1,
			"%d %d %d %d", len(services), len(tagged), len(entries), len(taggedEntries)))
	})
	j.try("Catalog.Node", func() error {
		node, _, err := catalog.Node("judge-node", nil)
		none, _, noneErr := catalog.Node("judge-none", nil)
		return first(err, noneErr, expect(node != nil && node.Services["judge-api-1"] != nil, "%v", node), expect(none == nil, "%v", none))
	})
	j.try("Catalog.NodeServiceList", func() error {
		list, _, err := catalog.NodeServiceList("judge-node", nil)
		return first(err, expect(list.Node.Node == "judge-node" && len(list.Services) >= 1, "%v", list))
	})
	j.try("Catalog.GatewayServices", func() error {
		services, _, err := catalog.GatewayServices("judge-gateway", nil)
		return first(err, expect(len(services) == 0, "%v", services))
	})
	j.judgeHealth(catalog, health)
	j.judgeBlocking(catalog, health, registration)
	j.try("Catalog.Deregister", func() error {
		if _, err := catalog.Deregister(&api.CatalogDeregistration{Node: "judge-node"}, nil); err != nil {
			return err
		}
		node, _, err := catalog.Node("judge-node", nil)
		return first(err, expect(node == nil, "it is still there"))
	})
	j.judgeCoordinates()
	j.judgeStatus()
}

func (j *judge) judgeHealth(catalog *api.Catalog, health *api.Health) {
	j.try("Health.Node", func() error {
		checks, _, err := health.Node("judge-node", nil)
		return first(err, expect(len(checks) == 2, "%d checks", len(checks)))
	})
	j.try("Health.Checks", func() error {
		checks, _, err := health.Checks("judge-api", nil)
		return first(err, expect(len(checks) == 1 && checks[0].CheckID == "judge-api-ok" && checks[0].ServiceName == "judge-api", "%v", checks))
	})
	j.try("Health.State", func() error {
		passing, _, err := health.State(api.HealthPassing, &api.QueryOptions{Filter: `Node == "judge-node"`})
		critical, _, criticalErr := health.State(api.HealthCritical, &api.QueryOptions{Filter: `Node == "judge-node"`})
		return first(err, criticalErr, expect(len(passing) == 2 && len(critical) == 0, "%d %d", len(passing), len(critical)))
	})
	j.try("Health.Service Health.ServiceMultipleTags", func() error {
		entries, meta, err := health.Service("judge-api", "blue", true, nil)
		tagged, _, taggedErr := health.ServiceMultipleTags("judge-api", []string{"blue", "v1"}, true, nil)
		filtered, _, filterErr := health.Service("judge-api", "", false, &api.QueryOptions{Filter: `Checks.Status == "passing" and Node.Meta.rack == "r1"`})
		return first(err, taggedErr, filterErr, expect(len(entries) == 1 && len(tagged) == 1 && len(filtered) == 1, "%d %d %d", len(entries), len(tagged), len(filtered)),
			expect(len(entries[0].Checks) == 2 && entries[0].Node.Node == "judge-node" && entries[0].Service.Port == 7000, "%+v", entries[0]),
			expect(meta.LastIndex > 0, "index 0"))
	})
	j.try("Health.Service", func() error {
		_, missed, err := health.Service("judge-api", "", false, &api.QueryOptions{UseCache: true})
		_, hit, hitErr := health.Service("judge-api", "", false, &api.QueryOptions{UseCache: true})
		return first(err, hitErr, expect(hit.CacheHit, "no hit after %+v: %+v", missed, hit))
	})
	j.try("Health.Service", func() error {
		_, stale, err := health.Service("judge-api", "", false, &api.QueryOptions{AllowStale: true})
		_, consistent, consistentErr := health.Service("judge-api", "", false, &api.QueryOptions{RequireConsistent: true})
		return first(err, consistentErr, expect(stale.KnownLeader && consistent.KnownLeader, "no leader is known"))
	})
	j.try("Health.Ingress", func() error {
		entries, _, err := health.Ingress("judge-api", false, nil)
		return first(err, expect(len(entries) == 0, "%v", entries))
	})
}

// judgeBlocking: a blocked read wakes for its own change, and not for another.
func (j *judge) judgeBlocking(catalog *api.Catalog, health *api.Health, registration *api.CatalogRegistration) {
	j.try("Health.Service", func() error {
		_, meta, err := health.Service("judge-api", "", false, nil)
		if err != nil {
			return err
		}
		asked := time.Now()
		again, same, err := health.Service("judge-api", "", false, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 300 * time.Millisecond})
		if err := first(err, expect(time.Since(asked) >= 300*time.Millisecond && same.LastIndex == meta.LastIndex && len(again) == 1, "did not block")); err != nil {
			return err
		}
		woken := make(chan error, 1)
		go func() {
			entries, next, err := health.Service("judge-api", "", false, &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 10 * time.Second})
			woken <- first(err, expect(next != nil && next.LastIndex > meta.LastIndex && entries[0].Service.Port == 7777, "woken with %v", next))
		}()
		time.Sleep(50 * time.Millisecond)
		changed := *registration.Service
		changed.Port = 7777
		if _, err := catalog.Register(&api.CatalogRegistration{Node: "judge-node", Address: "10.9.9.9", Service: &changed, SkipNodeUpdate: true}, nil); err != nil {
			return err
		}
		return <-woken
	})
}

func (j *judge) judgeCoordinates() {
	coordinate := j.client.Coordinate()
	j.try("Coordinate.Datacenters", func() error { _, err := coordinate.Datacenters(); return err })
	j.try("Coordinate.Nodes", func() error { _, _, err := coordinate.Nodes(nil); return err })
	j.try("Coordinate.Update Coordinate.Node", func() error {
		nodes, _, err := j.client.Catalog().Nodes(nil)
		if err != nil || len(nodes) == 0 {
			return fmt.Errorf("no node: %v", err)
		}
		entry := &api.CoordinateEntry{Node: nodes[0].Node, Coord: newCoordinate()}
		if _, err := coordinate.Update(entry, nil); err != nil {
			return err
		}
		return eventually(func() error {
			entries, _, err := coordinate.Node(nodes[0].Node, nil)
			return first(err, expect(len(entries) == 1, "%d entries", len(entries)))
		})
	})
}

func (j *judge) judgeStatus() {
	status := j.client.Status()
	j.try("Status.Leader Status.LeaderWithQueryOptions", func() error {
		leader, err := status.Leader()
		again, againErr := status.LeaderWithQueryOptions(&api.QueryOptions{Datacenter: "dc1"})
		return first(err, againErr, expect(leader != "" && leader == again, "%q and %q", leader, again))
	})
	j.try("Status.Peers Status.PeersWithQueryOptions", func() error {
		peers, err := status.Peers()
		again, againErr := status.PeersWithQueryOptions(nil)
		return first(err, againErr, expect(len(peers) == 1 && len(again) == 1, "%v %v", peers, again))
	})
}
