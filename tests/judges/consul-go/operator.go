package main

import (
	"bytes"
	"context"
	"io"

	"github.com/hashicorp/consul/api"
)

// judgeOperator exercises what operators of a cluster of servers do.
func (j *judge) judgeOperator() {
	operator := j.client.Operator()
	j.try("Operator.RaftGetConfiguration", func() error {
		configuration, err := operator.RaftGetConfiguration(nil)
		return first(err, expect(len(configuration.Servers) == 1 && configuration.Servers[0].Leader && configuration.Servers[0].Voter, "%+v", configuration))
	})
	j.try("Operator.RaftRemovePeerByID Operator.RaftRemovePeerByAddress", func() error {
		return first(expectError(operator.RaftRemovePeerByID("00000000-0000-4000-8000-000000000000", nil), "00000000-0000-4000-8000-000000000000"),
			expectError(operator.RaftRemovePeerByAddress("127.0.0.1:1", nil), "127.0.0.1:1"))
	})
	j.try("Operator.RaftLeaderTransfer", func() error {
		_, err := operator.RaftLeaderTransfer("", nil)
		return expectError(err) // There is nobody to transfer to.
	})
	j.try("Operator.AutopilotGetConfiguration Operator.AutopilotSetConfiguration Operator.AutopilotCASConfiguration", func() error {
		configuration, err := operator.AutopilotGetConfiguration(nil)
		if err != nil {
			return err
		}
		configuration.MaxTrailingLogs = 321
		if err := operator.AutopilotSetConfiguration(configuration, nil); err != nil {
			return err
		}
		changed, err := operator.AutopilotGetConfiguration(nil)
		if err := first(err, expect(changed.MaxTrailingLogs == 321, "%+v", changed)); err != nil {
			return err
		}
		refused := *changed
		refused.ModifyIndex--
		was, refusedErr := operator.AutopilotCASConfiguration(&refused, nil)
		is, err := operator.AutopilotCASConfiguration(changed, nil)
		return first(err, refusedErr, expect(is && !was, "%v %v", is, was))
	})
	j.try("Operator.AutopilotServerHealth", func() error {
		health, err := operator.AutopilotServerHealth(nil)
		return first(err, expect(health.Healthy && len(health.Servers) == 1, "%+v", health))
	})
	j.try("Operator.AutopilotState", func() error {
		state, err := operator.AutopilotState(nil)
		return first(err, expect(state.Healthy && state.Leader != "" && len(state.Servers) == 1, "%+v", state))
	})
	j.try("Operator.Usage", func() error {
		usage, _, err := operator.Usage(nil)
		return first(err, expect(usage.Usage["dc1"].Nodes > 0, "%+v", usage))
	})
	// There is no gossip and so no key of it: Consul without encryption answers the same.
	j.try("Operator.KeyringList Operator.KeyringInstall Operator.KeyringUse Operator.KeyringRemove", func() error {
		key := "pUqJrVyVRj5jsiYEkM/tFQYfWyJIv4s3XkvDwy7Cu5s="
		_, err := operator.KeyringList(nil)
		return first(expectError(err, "500"), expectError(operator.KeyringInstall(key, nil), "500"),
			expectError(operator.KeyringUse(key, nil), "500"), expectError(operator.KeyringRemove(key, nil), "500"))
	})
	j.judgePeerings()
	j.try("Snapshot.Save Snapshot.Restore", func() error {
		kv, snapshot := j.client.KV(), j.client.Snapshot()
		if _, err := kv.Put(&api.KVPair{Key: "judge-saved", Value: []byte("before")}, nil); err != nil {
			return err
		}
		archive, _, err := snapshot.Save(nil)
		if err != nil {
			return err
		}
		bytesOfIt, err := io.ReadAll(archive)
		archive.Close()
		if err != nil {
			return err
		}
		if _, err := kv.Put(&api.KVPair{Key: "judge-saved", Value: []byte("after")}, nil); err != nil {
			return err
		}
		if err := snapshot.Restore(nil, bytes.NewReader(bytesOfIt)); err != nil {
			return err
		}
		pair, _, err := kv.Get("judge-saved", nil)
		return first(err, expect(pair != nil && string(pair.Value) == "before", "%v", pair))
	})
}

func (j *judge) judgePeerings() {
	peerings, ctx := j.client.Peerings(), context.Background()
	var token string
	j.try("Peerings.GenerateToken", func() error {
		answer, _, err := peerings.GenerateToken(ctx, api.PeeringGenerateTokenRequest{PeerName: "judge-peer"}, nil)
		if err != nil {
			return err
		}
		token = answer.PeeringToken
		return expect(token != "", "no token")
	})
	j.try("Peerings.Read", func() error {
		peering, _, err := peerings.Read(ctx, "judge-peer", nil)
		none, _, noneErr := peerings.Read(ctx, "judge-none", nil)
		return first(err, noneErr, expect(peering != nil && peering.Name == "judge-peer" && peering.State == api.PeeringStatePending, "%+v", peering),
			expect(none == nil, "%v", none))
	})
	j.try("Peerings.List", func() error {
		list, _, err := peerings.List(ctx, nil)
		return first(err, expect(len(list) == 1, "%d peerings", len(list)))
	})
	j.try("Peerings.Establish", func() error {
		_, _, err := peerings.Establish(ctx, api.PeeringEstablishRequest{PeerName: "judge-self", PeeringToken: "nonsense"}, nil)
		if err := expectError(err, "400"); err != nil {
			return err
		}
		// With a cluster's own token nothing can be established.
		_, _, err = peerings.Establish(ctx, api.PeeringEstablishRequest{PeerName: "judge-self", PeeringToken: token}, nil)
		return expectError(err, "peer")
	})
	j.try("Peerings.Delete", func() error {
		if _, err := peerings.Delete(ctx, "judge-peer", nil); err != nil {
			return err
		}
		return eventually(func() error {
			peering, _, err := peerings.Read(ctx, "judge-peer", nil)
			return first(err, expect(peering == nil, "%v", peering))
		})
	})
}
