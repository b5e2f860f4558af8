package main

import (
	"bytes"

	"github.com/hashicorp/consul/api"
)

// judgeKV exercises keys and transactions.
func (j *judge) judgeKV() {
	kv := j.client.KV()
	value := []byte{0, 1, 2, 0xff, '\n'}
	j.try("KV.Put KV.Get", func() error {
		if _, err := kv.Put(&api.KVPair{Key: "judge/a b/ü?#", Value: value, Flags: 42}, nil); err != nil {
			return err
		}
		pair, meta, err := kv.Get("judge/a b/ü?#", nil)
		return first(err, expect(pair != nil && bytes.Equal(pair.Value, value) && pair.Flags == 42 && pair.CreateIndex > 0, "%+v", pair),
			expect(meta.LastIndex == pair.ModifyIndex, "index %d", meta.LastIndex))
	})
	j.try("KV.Get", func() error {
		pair, _, err := kv.Get("judge/none", nil)
		return first(err, expect(pair == nil, "%v", pair))
	})
	j.try("KV.CAS", func() error {
		created, _, err := kv.CAS(&api.KVPair{Key: "judge/cas", Value: []byte("1")}, nil)
		refused, _, refusedErr := kv.CAS(&api.KVPair{Key: "judge/cas", Value: []byte("2")}, nil)
		return first(err, refusedErr, expect(created && !refused, "%v %v", created, refused))
	})
	j.try("KV.List", func() error {
		pairs, _, err := kv.List("judge/", nil)
		return first(err, expect(len(pairs) == 2, "%d pairs", len(pairs)))
	})
	j.try("KV.Keys", func() error {
		keys, _, err := kv.Keys("judge/", "/", nil)
		return first(err, expect(len(keys) == 2 && keys[0] == "judge/a b/" && keys[1] == "judge/cas", "%v", keys))
	})
	j.try("KV.Delete", func() error {
		_, err := kv.Delete("judge/a b/ü?#", nil)
		pair, _, getErr := kv.Get("judge/a b/ü?#", nil)
		return first(err, getErr, expect(pair == nil, "it is still there"))
	})
	j.try("KV.DeleteCAS", func() error {
		pair, _, err := kv.Get("judge/cas", nil)
		if err != nil || pair == nil {
			return first(err, expect(false, "no pair"))
		}
		refused, _, refusedErr := kv.DeleteCAS(&api.KVPair{Key: "judge/cas", ModifyIndex: pair.ModifyIndex - 1}, nil)
		deleted, _, err := kv.DeleteCAS(pair, nil)
		return first(err, refusedErr, expect(deleted && !refused, "%v %v", deleted, refused))
	})
	j.try("KV.Txn", func() error {
		ok, answer, _, err := kv.Txn(api.KVTxnOps{
			{Verb: api.KVSet, Key: "judge/t/1", Value: value}, {Verb: api.KVSet, Key: "judge/t/2", Value: []byte("b")}, {Verb: api.KVGetTree, Key: "judge/t/"},
		}, nil)
		if err := first(err, expect(ok && len(answer.Results) == 4 && len(answer.Errors) == 0, "%v %+v", ok, answer)); err != nil {
			return err
		}
		ok, answer, _, err = kv.Txn(api.KVTxnOps{{Verb: api.KVSet, Key: "judge/t/3", Value: value}, {Verb: api.KVCheckNotExists, Key: "judge/t/1"}}, nil)
		pair, _, getErr := kv.Get("judge/t/3", nil)
		return first(err, getErr, expect(!ok && len(answer.Errors) == 1 && answer.Errors[0].OpIndex == 1 && pair == nil, "%v %+v", ok, answer))
	})
	j.try("KV.DeleteTree", func() error {
		_, err := kv.DeleteTree("judge/", nil)
		keys, _, keysErr := kv.Keys("judge/", "", nil)
		return first(err, keysErr, expect(len(keys) == 0, "%v", keys))
	})
	j.try("Txn.Txn", func() error {
		node := &api.NodeTxnOp{Verb: api.NodeSet, Node: api.Node{Node: "judge-txn", Address: "10.8.8.8"}}
		service := &api.ServiceTxnOp{Verb: api.ServiceSet, Node: "judge-txn", Service: api.AgentService{ID: "s", Service: "judge-txn-service", Port: 1}}
		check := &api.CheckTxnOp{Verb: api.CheckSet, Check: api.HealthCheck{Node: "judge-txn", CheckID: "c", Name: "c", Status: api.HealthPassing, ServiceID: "s"}}
		ok, answer, _, err := j.client.Txn().Txn(api.TxnOps{{Node: node}, {Service: service}, {Check: check}, {KV: &api.KVTxnOp{Verb: api.KVSet, Key: "judge-txn"}}}, nil)
		if err := first(err, expect(ok && len(answer.Results) == 4, "%v %+v", ok, answer)); err != nil {
			return err
		}
		entries, _, err := j.client.Health().Service("judge-txn-service", "", true, nil)
		if err := first(err, expect(len(entries) == 1 && len(entries[0].Checks) == 1, "%v", entries)); err != nil {
			return err
		}
		gone := &api.NodeTxnOp{Verb: api.NodeDelete, Node: api.Node{Node: "judge-txn"}}
		ok, _, _, err = j.client.Txn().Txn(api.TxnOps{{Node: gone}, {KV: &api.KVTxnOp{Verb: api.KVDelete, Key: "judge-txn"}}}, nil)
		return first(err, expect(ok, "not deleted"))
	})
}
