package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/consul/api"
)

// judgeAgent exercises what a process asks of the agent of its host.
func (j *judge) judgeAgent() {
	agent := j.client.Agent()
	j.judgeAgentFacts(agent)
	j.judgeAgentServices(agent)
	j.judgeAgentChecks(agent)
	j.judgeMaintenance(agent)
	j.judgeAgentTokens(agent)
	j.judgeMembership(agent)
}

func (j *judge) judgeAgentFacts(agent *api.Agent) {
	j.try("Agent.Self Agent.NodeName", func() error {
		self, err := agent.Self()
		if err != nil {
			return err
		}
		name, err := agent.NodeName()
		return first(err, expect(self["Config"]["NodeName"] == name && name != "", "NodeName %v", name),
			expect(self["Config"]["Datacenter"] == "dc1", "Datacenter %v", self["Config"]["Datacenter"]))
	})
	j.try("Agent.Host", func() error {
		host, err := agent.Host()
		return first(err, expect(host["Memory"] != nil && host["Host"] != nil, "%v", host))
	})
	j.try("Agent.Version", func() error {
		version, err := agent.Version()
		return first(err, expect(version["HumanVersion"] != nil || version["Version"] != nil, "%v", version))
	})
	j.try("Agent.Metrics", func() error {
		metrics, err := agent.Metrics()
		return first(err, expect(metrics != nil && len(metrics.Gauges)+len(metrics.Counters) > 0, "no metrics"))
	})
	j.try("Agent.MetricsStream", func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		stream, err := agent.MetricsStream(ctx)
		if err != nil {
			return err
		}
		defer stream.Close()
		_, err = io.ReadFull(stream, make([]byte, 2))
		return err
	})
	j.try("Agent.Reload", func() error { return agent.Reload() })
	j.try("Agent.Monitor", func() error { return monitored(agent, agent.Monitor) })
	j.try("Agent.MonitorJSON", func() error { return monitored(agent, agent.MonitorJSON) })
	j.try("Agent.ConnectCARoots", func() error {
		roots, meta, err := agent.ConnectCARoots(nil)
		return first(err, expect(roots.ActiveRootID != "" && len(roots.Roots) > 0, "%v", roots), expect(meta.LastIndex > 0, "index 0"))
	})
	j.try("Agent.ConnectCALeaf", func() error {
		leaf, meta, err := agent.ConnectCALeaf("judge-leaf", nil)
		return first(err, expect(leaf.Service == "judge-leaf" && leaf.CertPEM != "" && leaf.PrivateKeyPEM != "", "%v", leaf),
			expect(leaf.ValidAfter.Before(time.Now().Add(time.Minute)) && leaf.ValidBefore.After(time.Now()), "validity %v", leaf),
			expect(meta.LastIndex > 0, "index 0"))
	})
	j.try("Agent.ConnectAuthorize", func() error {
		leaf, _, err := agent.ConnectCALeaf("judge-leaf", nil)
		if err != nil {
			return err
		}
		answer, err := agent.ConnectAuthorize(&api.AgentAuthorizeParams{
			Target: "judge-target", ClientCertURI: leaf.ServiceURI, ClientCertSerial: leaf.SerialNumber,
		})
		return first(err, expect(answer.Authorized && answer.Reason != "", "%+v", answer))
	})
}

// monitored reads one line of the log, which a registration makes sure that there is.
func monitored(agent *api.Agent, monitor func(string, <-chan struct{}, *api.QueryOptions) (chan string, error)) error {
	stop := make(chan struct{})
	defer close(stop)
	lines, err := monitor("debug", stop, nil)
	if err != nil {
		return err
	}
	for end := time.After(10 * time.Second); ; {
		if err := agent.ServiceRegister(&api.AgentServiceRegistration{Name: "judge-monitored"}); err != nil {
			return err
		}
		if err := agent.ServiceDeregister("judge-monitored"); err != nil {
			return err
		}
		select {
		case line := <-lines:
			if line != "" {
				return nil
			}
		case <-time.After(100 * time.Millisecond):
		case <-end:
			return fmt.Errorf("no line in 10 s")
		}
	}
}

func (j *judge) judgeAgentServices(agent *api.Agent) {
	registration := &api.AgentServiceRegistration{
		ID: "judge-web-1", Name: "judge-web", Tags: []string{"a", "b"}, Port: 8080, Address: "10.1.1.1",
		Meta: map[string]string{"version": "1"}, Weights: &api.AgentWeights{Passing: 10, Warning: 1},
		Check: &api.AgentServiceCheck{CheckID: "judge-web-ttl", TTL: "1h", Status: api.HealthPassing},
	}
	j.try("Agent.ServiceRegister Agent.Services Agent.Service", func() error {
		if err := agent.ServiceRegister(registration); err != nil {
			return err
		}
		services, err := agent.Services()
		if err != nil {
			return err
		}
		own := services["judge-web-1"]
		if own == nil {
			return fmt.Errorf("it is not among the services")
		}
		service, meta, err := agent.Service("judge-web-1", nil)
		return first(err,
			expect(own.Service == "judge-web" && own.Port == 8080 && own.Meta["version"] == "1" && own.Weights.Passing == 10, "%+v", own),
			expect(service != nil && service.ContentHash != "" && meta.LastContentHash == service.ContentHash, "hash of %+v", service))
	})
	j.try("Agent.Service", func() error {
		_, _, err := agent.Service("judge-none", nil)
		return expectError(err, "404", "unknown service ID: judge-none")
	})
	j.try("Agent.Service", func() error {
		service, _, err := agent.Service("judge-web-1", nil)
		if err != nil {
			return err
		}
		asked := time.Now()
		_, _, err = agent.Service("judge-web-1", &api.QueryOptions{WaitHash: service.ContentHash, WaitTime: 300 * time.Millisecond})
		return first(err, expect(time.Since(asked) > 250*time.Millisecond, "did not block on the hash"))
	})
	j.try("Agent.ServicesWithFilter Agent.ServicesWithFilterOpts", func() error {
		some, err := agent.ServicesWithFilter(`Service == "judge-web" and "a" in Tags`)
		none, noneErr := agent.ServicesWithFilterOpts(`Meta.version == "2"`, nil)
		return first(err, noneErr, expect(len(some) == 1 && len(none) == 0, "%d and %d", len(some), len(none)))
	})
	j.try("Agent.ServiceRegisterOpts", func() error {
		return agent.ServiceRegisterOpts(registration, api.ServiceRegisterOpts{ReplaceExistingChecks: true})
	})
	j.try("Agent.AgentHealthServiceByID Agent.AgentHealthServiceByIDOpts", func() error {
		status, info, err := agent.AgentHealthServiceByID("judge-web-1")
		again, _, againErr := agent.AgentHealthServiceByIDOpts("judge-web-1", nil)
		gone, _, goneErr := agent.AgentHealthServiceByID("judge-none")
		return first(err, againErr, goneErr, expect(status == api.HealthPassing && again == status, "%s", status),
			expect(info.Service.ID == "judge-web-1" && len(info.Checks) == 1, "%+v", info), expect(gone == api.HealthCritical, "%s", gone))
	})
	j.try("Agent.AgentHealthServiceByName Agent.AgentHealthServiceByNameOpts", func() error {
		status, infos, err := agent.AgentHealthServiceByName("judge-web")
		_, _, againErr := agent.AgentHealthServiceByNameOpts("judge-web", nil)
		return first(err, againErr, expect(status == api.HealthPassing && len(infos) == 1, "%s %d", status, len(infos)))
	})
	j.try("Agent.ServiceRegister", func() error {
		sidecar := &api.AgentServiceRegistration{
			Name: "judge-mesh", Port: 9100, Connect: &api.AgentServiceConnect{SidecarService: &api.AgentServiceRegistration{
				Proxy: &api.AgentServiceConnectProxyConfig{Upstreams: []api.Upstream{{DestinationName: "judge-web", LocalBindPort: freePort()}}},
			}},
		}
		if err := agent.ServiceRegister(sidecar); err != nil {
			return err
		}
		proxy, _, err := agent.Service("judge-mesh-sidecar-proxy", nil)
		return first(err, expect(proxy.Kind == api.ServiceKindConnectProxy && proxy.Port >= 21000 && proxy.Proxy.DestinationServiceName == "judge-mesh" &&
			len(proxy.Proxy.Upstreams) == 1, "%+v", proxy), agent.ServiceDeregister("judge-mesh"))
	})
	j.try("Agent.ServiceDeregister Agent.ServiceDeregisterOpts", func() error {
		other := &api.AgentServiceRegistration{Name: "judge-other"}
		if err := agent.ServiceRegister(other); err != nil {
			return err
		}
		unknown := agent.ServiceDeregister("judge-none")
		return first(agent.ServiceDeregisterOpts("judge-other", nil), expectError(unknown, "404"))
	})
}

func freePort() int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func (j *judge) judgeAgentChecks(agent *api.Agent) {
	check := &api.AgentCheckRegistration{ID: "judge-ttl", Name: "judge ttl", AgentServiceCheck: api.AgentServiceCheck{TTL: "1h"}}
	statusIs := func(wanted, output string) error {
		checks, err := agent.Checks()
		if err != nil {
			return err
		}
		own := checks["judge-ttl"]
		return expect(own != nil && own.Status == wanted && own.Output == output, "%+v", own)
	}
	j.try("Agent.CheckRegister Agent.CheckRegisterOpts Agent.Checks", func() error {
		return first(agent.CheckRegister(check), agent.CheckRegisterOpts(check, nil), statusIs(api.HealthCritical, ""))
	})
	j.try("Agent.PassTTL", func() error { return first(agent.PassTTL("judge-ttl", "fine"), statusIs(api.HealthPassing, "fine")) })
	j.try("Agent.WarnTTL", func() error { return first(agent.WarnTTL("judge-ttl", "so"), statusIs(api.HealthWarning, "so")) })
	j.try("Agent.FailTTL", func() error { return first(agent.FailTTL("judge-ttl", "bad"), statusIs(api.HealthCritical, "bad")) })
	j.try("Agent.UpdateTTL Agent.UpdateTTLOpts", func() error {
		return first(agent.UpdateTTL("judge-ttl", "up", api.HealthPassing), statusIs(api.HealthPassing, "up"),
			agent.UpdateTTLOpts("judge-ttl", "warn", api.HealthWarning, nil), statusIs(api.HealthWarning, "warn"))
	})
	j.try("Agent.ChecksWithFilter Agent.ChecksWithFilterOpts", func() error {
		some, err := agent.ChecksWithFilter(`CheckID == "judge-ttl"`)
		none, noneErr := agent.ChecksWithFilterOpts(`Status == "passing" and Name == "judge ttl"`, nil)
		return first(err, noneErr, expect(len(some) == 1 && len(none) == 0, "%d and %d", len(some), len(none)))
	})
	j.try("Agent.CheckRegister", func() error {
		alone := &api.AgentCheckRegistration{ID: "judge-alone", Name: "x", ServiceID: "judge-none", AgentServiceCheck: api.AgentServiceCheck{TTL: "1h"}}
		return expectError(agent.CheckRegister(alone), "judge-none")
	})
	j.try("Agent.CheckDeregister Agent.CheckDeregisterOpts", func() error {
		return first(agent.CheckDeregister("judge-ttl"), agent.CheckRegister(check), agent.CheckDeregisterOpts("judge-ttl", nil))
	})
}

func (j *judge) judgeMaintenance(agent *api.Agent) {
	statusIs := func(wanted string) error {
		// The client makes "critical" of maintenance, whose code is 503 too; the answer has the word.
		_, info, err := agent.AgentHealthServiceByID("judge-web-1")
		return first(err, expect(info != nil && info.AggregatedStatus == wanted, "%+v is not %s", info, wanted))
	}
	j.try("Agent.EnableServiceMaintenance Agent.DisableServiceMaintenance", func() error {
		return first(agent.EnableServiceMaintenance("judge-web-1", "broken"), statusIs(api.HealthMaint),
			agent.DisableServiceMaintenance("judge-web-1"), statusIs(api.HealthPassing))
	})
	j.try("Agent.EnableServiceMaintenanceOpts Agent.DisableServiceMaintenanceOpts", func() error {
		return first(agent.EnableServiceMaintenanceOpts("judge-web-1", "", nil), agent.DisableServiceMaintenanceOpts("judge-web-1", nil))
	})
	j.try("Agent.EnableNodeMaintenance Agent.DisableNodeMaintenance", func() error {
		if err := agent.EnableNodeMaintenance("host"); err != nil {
			return err
		}
		checks, err := agent.Checks()
		return first(err, expect(checks[api.NodeMaint] != nil && checks[api.NodeMaint].Notes == "host", "%v", checks[api.NodeMaint]),
			agent.DisableNodeMaintenance())
	})
}

// judgeAgentTokens: without ACLs there is nothing to set; with them the group of ACLs sets them.
func (j *judge) judgeAgentTokens(agent *api.Agent) {
	for name, set := range tokenSetters(agent) {
		j.try("Agent."+name, func() error {
			_, err := set("anything", nil)
			return expectError(err, "401", "ACL support disabled")
		})
	}
}

type tokenSetter = func(string, *api.WriteOptions) (*api.WriteMeta, error)

func tokenSetters(agent *api.Agent) map[string]tokenSetter {
	return map[string]tokenSetter{
		"UpdateDefaultACLToken": agent.UpdateDefaultACLToken, "UpdateAgentACLToken": agent.UpdateAgentACLToken,
		"UpdateAgentRecoveryACLToken": agent.UpdateAgentRecoveryACLToken, "UpdateAgentMasterACLToken": agent.UpdateAgentMasterACLToken,
		"UpdateReplicationACLToken": agent.UpdateReplicationACLToken, "UpdateDNSToken": agent.UpdateDNSToken,
		"UpdateConfigFileRegistrationToken": agent.UpdateConfigFileRegistrationToken,
	}
}

func (j *judge) judgeMembership(agent *api.Agent) {
	j.try("Agent.Members Agent.MembersOpts", func() error {
		members, err := agent.Members(false)
		if err != nil {
			return err
		}
		filtered, err := agent.MembersOpts(api.MembersOpts{Segment: api.AllSegments, Filter: `Status == 1`})
		return first(err, expect(len(members) == 1 && members[0].Status == 1 && members[0].Tags["role"] == "consul", "%+v", members),
			expect(len(filtered) == 1, "%d of them are alive", len(filtered)))
	})
	j.try("Agent.Join", func() error {
		return expectError(agent.Join("127.0.0.1:1", false), "500")
	})
	j.try("Agent.ForceLeave Agent.ForceLeavePrune Agent.ForceLeaveOpts Agent.ForceLeaveOptions", func() error {
		unknown := "No node found with name 'judge-none'"
		return first(expectError(agent.ForceLeave("judge-none"), unknown), expectError(agent.ForceLeavePrune("judge-none"), unknown),
			expectError(agent.ForceLeaveOpts("judge-none", api.ForceLeaveOpts{Prune: true}), unknown),
			expectError(agent.ForceLeaveOptions("judge-none", api.ForceLeaveOpts{}, nil), unknown))
	})
}
