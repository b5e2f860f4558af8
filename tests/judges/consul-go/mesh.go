package main

import (
	"context"
	"fmt"

	"github.com/hashicorp/consul/api"
)

// judgeMesh exercises certificates, intentions, config entries and what follows from them.
func (j *judge) judgeMesh() {
	j.judgeAuthority(j.client.Connect())
	j.judgeIntentions(j.client.Connect())
	j.judgeEntries(j.client.ConfigEntries())
	j.try("DiscoveryChain.Get", func() error {
		answer, _, err := j.client.DiscoveryChain().Get("judge-web", nil, nil)
		overridden, _, overriddenErr := j.client.DiscoveryChain().Get("judge-web", &api.DiscoveryChainOptions{OverrideProtocol: "http"}, nil)
		return first(err, overriddenErr, expect(answer.Chain.ServiceName == "judge-web" && answer.Chain.StartNode != "" && len(answer.Chain.Targets) == 1, "%+v", answer.Chain),
			expect(overridden.Chain.CustomizationHash != "", "no hash of what is overridden"))
	})
	j.try("Internal.AssignServiceVirtualIP", func() error {
		service := &api.AgentService{ID: "judge-virtual", Service: "judge-virtual", Port: 1, Connect: &api.AgentServiceConnect{Native: true}}
		registration := &api.CatalogRegistration{Node: "judge-virtual", Address: "10.9.9.8", Service: service}
		if _, err := j.client.Catalog().Register(registration, nil); err != nil {
			return err
		}
		answer, _, err := j.client.Internal().AssignServiceVirtualIP(context.Background(), "judge-virtual", []string{"10.40.0.1"}, nil)
		return first(err, expect(answer.ServiceFound, "%+v", answer))
	})
	j.try("Client.ExportedServices", func() error {
		services, _, err := j.client.ExportedServices(nil)
		return first(err, expect(len(services) == 0, "%v", services))
	})
}

func (j *judge) judgeAuthority(connect *api.Connect) {
	j.try("Connect.CARoots", func() error {
		roots, _, err := connect.CARoots(nil)
		return first(err, expect(roots.TrustDomain != "" && len(roots.Roots) == 1 && roots.Roots[0].RootCertPEM != "", "%+v", roots))
	})
	j.try("Connect.CAGetConfig", func() error {
		config, _, err := connect.CAGetConfig(nil)
		return first(err, expect(config.Provider == "consul" && config.Config["LeafCertTTL"] != nil, "%+v", config))
	})
	j.try("Connect.CASetConfig", func() error {
		config, _, err := connect.CAGetConfig(nil)
		if err != nil {
			return err
		}
		config.Config["LeafCertTTL"] = "48h"
		if _, err := connect.CASetConfig(config, nil); err != nil {
			return err
		}
		changed, _, err := connect.CAGetConfig(nil)
		return first(err, expect(fmt.Sprint(changed.Config["LeafCertTTL"]) == "48h", "%v", changed.Config))
	})
}

func (j *judge) judgeIntentions(connect *api.Connect) {
	j.try("Connect.IntentionUpsert Connect.IntentionGetExact", func() error {
		_, err := connect.IntentionUpsert(&api.Intention{SourceName: "judge-a", DestinationName: "judge-b", Action: api.IntentionActionDeny}, nil)
		got, _, getErr := connect.IntentionGetExact("judge-a", "judge-b", nil)
		return first(err, getErr, expect(got != nil && got.Action == api.IntentionActionDeny && got.Precedence == 9, "%+v", got))
	})
	j.try("Connect.Intentions", func() error {
		list, _, err := connect.Intentions(nil)
		return first(err, expect(len(list) == 1, "%d intentions", len(list)))
	})
	j.try("Connect.IntentionCheck", func() error {
		denied, _, err := connect.IntentionCheck(&api.IntentionCheck{Source: "judge-a", Destination: "judge-b"}, nil)
		allowed, _, allowedErr := connect.IntentionCheck(&api.IntentionCheck{Source: "judge-c", Destination: "judge-b"}, nil)
		return first(err, allowedErr, expect(!denied && allowed, "%v %v", denied, allowed))
	})
	j.try("Connect.IntentionMatch", func() error {
		matches, _, err := connect.IntentionMatch(&api.IntentionMatch{By: api.IntentionMatchDestination, Names: []string{"judge-b", "judge-none"}}, nil)
		return first(err, expect(len(matches["judge-b"]) == 1 && len(matches["judge-none"]) == 0, "%v", matches))
	})
	j.try("Connect.IntentionDeleteExact", func() error {
		_, err := connect.IntentionDeleteExact("judge-a", "judge-b", nil)
		got, _, getErr := connect.IntentionGetExact("judge-a", "judge-b", nil)
		return first(err, getErr, expect(got == nil, "it is still there"))
	})
	j.try("Connect.IntentionCreate Connect.IntentionGet Connect.IntentionUpdate Connect.IntentionDelete", func() error {
		//nolint:staticcheck // deprecated, and still what older programs call
		id, _, err := connect.IntentionCreate(&api.Intention{SourceName: "judge-x", DestinationName: "judge-y", Action: api.IntentionActionAllow}, nil)
		if err != nil {
			return err
		}
		got, _, err := connect.IntentionGet(id, nil)
		if err := first(err, expect(got != nil && got.SourceName == "judge-x", "%+v", got)); err != nil {
			return err
		}
		got.Action = api.IntentionActionDeny
		if _, err := connect.IntentionUpdate(got, nil); err != nil {
			return err
		}
		_, err = connect.IntentionDelete(id, nil)
		gone, _, goneErr := connect.IntentionGet(id, nil)
		return first(err, goneErr, expect(gone == nil, "it is still there"))
	})
}

// judgedEntries is one of every kind, in an order in which each is valid.
func judgedEntries() []api.ConfigEntry {
	return []api.ConfigEntry{
		&api.ProxyConfigEntry{Kind: api.ProxyDefaults, Name: api.ProxyConfigGlobal, Config: map[string]any{"protocol": "http"}},
		&api.ServiceConfigEntry{Kind: api.ServiceDefaults, Name: "judge-entry", Protocol: "http", Meta: map[string]string{"a": "b"}},
		&api.ServiceConfigEntry{Kind: api.ServiceDefaults, Name: "judge-tcp", Protocol: "tcp"},
		&api.ServiceResolverConfigEntry{Kind: api.ServiceResolver, Name: "judge-entry", DefaultSubset: "v1",
			Subsets: map[string]api.ServiceResolverSubset{"v1": {Filter: `Service.Meta.version == "1"`}}},
		&api.ServiceSplitterConfigEntry{Kind: api.ServiceSplitter, Name: "judge-entry", Splits: []api.ServiceSplit{{Weight: 100, ServiceSubset: "v1"}}},
		&api.ServiceRouterConfigEntry{Kind: api.ServiceRouter, Name: "judge-entry", Routes: []api.ServiceRoute{{
			Match: &api.ServiceRouteMatch{HTTP: &api.ServiceRouteHTTPMatch{PathPrefix: "/v1"}}}}},
		&api.ServiceIntentionsConfigEntry{Kind: api.ServiceIntentions, Name: "judge-entry", Sources: []*api.SourceIntention{{Name: "web", Action: api.IntentionActionAllow}}},
		&api.MeshConfigEntry{TransparentProxy: api.TransparentProxyMeshConfig{MeshDestinationsOnly: true}},
		&api.ExportedServicesConfigEntry{Name: "default", Services: []api.ExportedService{{Name: "judge-entry", Consumers: []api.ServiceConsumer{{Peer: "other"}}}}},
		&api.JWTProviderConfigEntry{Kind: api.JWTProvider, Name: "judge-jwt", Issuer: "https://example.com", JSONWebKeySet: &api.JSONWebKeySet{Remote: &api.RemoteJWKS{URI: "https://example.com/jwks"}}},
		&api.IngressGatewayConfigEntry{Kind: api.IngressGateway, Name: "judge-ingress", Listeners: []api.IngressListener{{
			Port: 8443, Protocol: "tcp", Services: []api.IngressService{{Name: "judge-tcp"}}}}},
		&api.TerminatingGatewayConfigEntry{Kind: api.TerminatingGateway, Name: "judge-terminating", Services: []api.LinkedService{{Name: "judge-entry"}}},
		&api.APIGatewayConfigEntry{Kind: api.APIGateway, Name: "judge-gateway", Listeners: []api.APIGatewayListener{{Name: "http", Port: 8080, Protocol: "http"}}},
		&api.HTTPRouteConfigEntry{Kind: api.HTTPRoute, Name: "judge-http-route", Parents: []api.ResourceReference{{Kind: api.APIGateway, Name: "judge-gateway", SectionName: "http"}},
			Rules: []api.HTTPRouteRule{{Services: []api.HTTPService{{Name: "judge-entry", Weight: 1}}}}},
		&api.TCPRouteConfigEntry{Kind: api.TCPRoute, Name: "judge-tcp-route", Services: []api.TCPService{{Name: "judge-tcp"}}},
		&api.FileSystemCertificateConfigEntry{Kind: api.FileSystemCertificate, Name: "judge-file-certificate", Certificate: "/tmp/judge.crt", PrivateKey: "/tmp/judge.key"},
	}
}

func (j *judge) judgeEntries(entries *api.ConfigEntries) {
	all := judgedEntries()
	j.try("ConfigEntries.Set ConfigEntries.Get", func() error {
		for _, entry := range all {
			ok, _, err := entries.Set(entry, nil)
			if err := first(err, expect(ok, "not set")); err != nil {
				return fmt.Errorf("%s %s: %w", entry.GetKind(), entry.GetName(), err)
			}
			got, _, err := entries.Get(entry.GetKind(), entry.GetName(), nil)
			if err := first(err, expect(got != nil && got.GetName() == entry.GetName() && got.GetModifyIndex() > 0, "got %v", got)); err != nil {
				return fmt.Errorf("%s %s: %w", entry.GetKind(), entry.GetName(), err)
			}
		}
		return nil
	})
	j.try("ConfigEntries.Get", func() error {
		_, _, err := entries.Get(api.ServiceDefaults, "judge-none", nil)
		return expectError(err, "404", "judge-none")
	})
	j.try("ConfigEntries.List", func() error {
		list, _, err := entries.List(api.ServiceDefaults, nil)
		return first(err, expect(len(list) == 2, "%d entries", len(list)))
	})
	j.try("ConfigEntries.Set", func() error {
		_, _, err := entries.Set(&api.ServiceSplitterConfigEntry{Kind: api.ServiceSplitter, Name: "judge-tcp", Splits: []api.ServiceSplit{{Weight: 100}}}, nil)
		return expectError(err, "does not permit advanced routing or splitting behavior")
	})
	j.try("ConfigEntries.CAS ConfigEntries.DeleteCAS", func() error {
		fresh := &api.ServiceConfigEntry{Kind: api.ServiceDefaults, Name: "judge-cas", Protocol: "tcp"}
		created, _, err := entries.CAS(fresh, 0, nil)
		refused, _, refusedErr := entries.CAS(fresh, 1, nil)
		if err := first(err, refusedErr, expect(created && !refused, "%v %v", created, refused)); err != nil {
			return err
		}
		got, _, err := entries.Get(api.ServiceDefaults, "judge-cas", nil)
		if err != nil {
			return err
		}
		wrong, _, wrongErr := entries.DeleteCAS(api.ServiceDefaults, "judge-cas", got.GetModifyIndex()-1, nil)
		deleted, _, err := entries.DeleteCAS(api.ServiceDefaults, "judge-cas", got.GetModifyIndex(), nil)
		return first(err, wrongErr, expect(deleted && !wrong, "%v %v", deleted, wrong))
	})
	j.try("ConfigEntries.Delete", func() error {
		for i := len(all) - 1; i >= 0; i-- {
			if _, err := entries.Delete(all[i].GetKind(), all[i].GetName(), nil); err != nil {
				return fmt.Errorf("%s %s: %w", all[i].GetKind(), all[i].GetName(), err)
			}
		}
		return nil
	})
}
