package main

import (
	"fmt"
	"time"

	"github.com/hashicorp/consul/api"
)

// judgeQueries exercises prepared queries and user events.
func (j *judge) judgeQueries() {
	queries := j.client.PreparedQuery()
	definition := &api.PreparedQueryDefinition{
		Name: "judge-query", Service: api.ServiceQuery{Service: "judge-web", OnlyPassing: true, Tags: []string{"a", "!z"}},
		DNS: api.QueryDNSOptions{TTL: "10s"},
	}
	j.try("PreparedQuery.Create PreparedQuery.Get PreparedQuery.List", func() error {
		id, _, err := queries.Create(definition, nil)
		if err != nil {
			return err
		}
		definition.ID = id
		got, _, getErr := queries.Get(id, nil)
		list, _, listErr := queries.List(nil)
		return first(getErr, listErr, expect(len(got) == 1 && got[0].Name == "judge-query" && got[0].Service.Service == "judge-web", "%v", got),
			expect(len(list) == 1, "%d queries", len(list)))
	})
	j.try("PreparedQuery.Execute", func() error {
		byName, _, err := queries.Execute("judge-query", nil)
		byID, _, idErr := queries.Execute(definition.ID, nil)
		_, _, noneErr := queries.Execute("judge-none", nil)
		return first(err, idErr, expect(len(byName.Nodes) == 1 && len(byID.Nodes) == 1 && byName.Service == "judge-web" && byName.DNS.TTL == "10s" &&
			byName.Datacenter == "dc1", "%+v", byName), expectError(noneErr, "404"))
	})
	j.try("PreparedQuery.Update", func() error {
		definition.Service.Tags = []string{"none"}
		if _, err := queries.Update(definition, nil); err != nil {
			return err
		}
		answer, _, err := queries.Execute(definition.ID, nil)
		return first(err, expect(len(answer.Nodes) == 0, "%d nodes", len(answer.Nodes)))
	})
	j.try("PreparedQuery.Delete", func() error {
		_, err := queries.Delete(definition.ID, nil)
		_, _, getErr := queries.Get(definition.ID, nil)
		return first(err, expectError(getErr, "404"))
	})
	event := j.client.Event()
	j.try("Event.Fire Event.List Event.IDToIndex", func() error {
		id, _, err := event.Fire(&api.UserEvent{Name: "judge-event", Payload: []byte("payload")}, nil)
		if err != nil {
			return err
		}
		return eventually(func() error {
			events, meta, err := event.List("judge-event", nil)
			if err != nil || len(events) == 0 {
				return fmt.Errorf("%d events, %v", len(events), err)
			}
			last := events[len(events)-1]
			return expect(last.ID == id && string(last.Payload) == "payload" && meta.LastIndex == event.IDToIndex(id), "%+v at %d", last, meta.LastIndex)
		})
	})
	j.try("Event.List", func() error {
		events, meta, err := event.List("judge-event", nil)
		if err != nil {
			return err
		}
		asked := time.Now()
		again, _, err := event.List("judge-event", &api.QueryOptions{WaitIndex: meta.LastIndex, WaitTime: 200 * time.Millisecond})
		return first(err, expect(time.Since(asked) >= 200*time.Millisecond && len(again) == len(events), "did not block"))
	})
}
