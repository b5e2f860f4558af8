package main

import (
	"time"

	"github.com/hashicorp/consul/api"
)

// judgeSessions exercises sessions and what is built on them: locks and semaphores.
func (j *judge) judgeSessions() {
	session, kv := j.client.Session(), j.client.KV()
	var id string
	j.try("Session.Create", func() error {
		var err error
		id, _, err = session.Create(&api.SessionEntry{Name: "judge", TTL: "30s", Behavior: api.SessionBehaviorDelete, LockDelay: time.Millisecond}, nil)
		return first(err, expect(id != "", "no id"))
	})
	j.try("Session.Info", func() error {
		entry, _, err := session.Info(id, nil)
		none, _, noneErr := session.Info("00000000-0000-4000-8000-000000000000", nil)
		return first(err, noneErr, expect(entry != nil && entry.Name == "judge" && entry.TTL == "30s" && entry.LockDelay == time.Millisecond, "%+v", entry),
			expect(none == nil, "%v", none))
	})
	j.try("Session.Renew", func() error {
		entry, _, err := session.Renew(id, nil)
		none, _, noneErr := session.Renew("00000000-0000-4000-8000-000000000000", nil)
		return first(err, noneErr, expect(entry != nil && entry.ID == id, "%+v", entry), expect(none == nil, "%v", none))
	})
	j.try("Session.List", func() error {
		entries, _, err := session.List(nil)
		return first(err, expect(len(entries) == 1, "%d sessions", len(entries)))
	})
	j.try("Session.Node", func() error {
		name, err := j.client.Agent().NodeName()
		entries, _, listErr := session.Node(name, nil)
		return first(err, listErr, expect(len(entries) == 1 && entries[0].Node == name, "%d sessions of %s", len(entries), name))
	})
	j.try("KV.Acquire KV.Release", func() error {
		other, _, err := session.CreateNoChecks(&api.SessionEntry{LockDelay: time.Millisecond}, nil)
		if err != nil {
			return err
		}
		taken, _, err := kv.Acquire(&api.KVPair{Key: "judge-lock", Value: []byte("x"), Session: id}, nil)
		refused, _, refusedErr := kv.Acquire(&api.KVPair{Key: "judge-lock", Session: other}, nil)
		pair, _, getErr := kv.Get("judge-lock", nil)
		if err := first(err, refusedErr, getErr, expect(taken && !refused && pair.Session == id && pair.LockIndex == 1, "%v %v %+v", taken, refused, pair)); err != nil {
			return err
		}
		wrong, _, wrongErr := kv.Release(&api.KVPair{Key: "judge-lock", Session: other}, nil)
		released, _, err := kv.Release(&api.KVPair{Key: "judge-lock", Session: id}, nil)
		return first(err, wrongErr, expect(released && !wrong, "%v %v", released, wrong))
	})
	j.try("Session.CreateNoChecks", func() error {
		free, _, err := session.CreateNoChecks(&api.SessionEntry{}, nil)
		if err != nil {
			return err
		}
		entry, _, err := session.Info(free, nil)
		return first(err, expect(entry != nil && len(entry.NodeChecks) == 0, "%+v", entry))
	})
	j.try("Session.RenewPeriodic", func() error {
		renewed, _, err := session.Create(&api.SessionEntry{TTL: "10s"}, nil)
		if err != nil {
			return err
		}
		done := make(chan struct{})
		ended := make(chan error, 1)
		go func() { ended <- session.RenewPeriodic("10s", renewed, nil, done) }()
		time.Sleep(50 * time.Millisecond)
		close(done)
		err = <-ended
		entry, _, infoErr := session.Info(renewed, nil)
		return first(err, infoErr, expect(entry == nil, "it was not destroyed at the end"))
	})
	j.try("Session.Destroy", func() error {
		held, _, err := kv.Acquire(&api.KVPair{Key: "judge-lock", Session: id}, nil)
		_, destroyErr := session.Destroy(id, nil)
		pair, _, getErr := kv.Get("judge-lock", nil)
		return first(err, destroyErr, getErr, expect(held && pair == nil, "held %v, the key was not deleted with its session: %v", held, pair))
	})
	j.try("Lock.Lock Lock.Unlock Lock.Destroy", func() error {
		lock, err := j.client.LockKey("judge-leader")
		if err != nil {
			return err
		}
		lost, err := lock.Lock(nil)
		if err := first(err, expect(lost != nil, "not locked")); err != nil {
			return err
		}
		contender, err := j.client.LockOpts(&api.LockOptions{Key: "judge-leader", LockTryOnce: true, LockWaitTime: 100 * time.Millisecond})
		if err != nil {
			return err
		}
		second, err := contender.Lock(nil)
		return first(err, expect(second == nil, "locked twice"), lock.Unlock(), lock.Destroy())
	})
	j.try("Semaphore.Acquire Semaphore.Release Semaphore.Destroy", func() error {
		holders := []*api.Semaphore{}
		for range 2 {
			semaphore, err := j.client.SemaphorePrefix("judge-slots", 2)
			if err != nil {
				return err
			}
			lost, err := semaphore.Acquire(nil)
			if err := first(err, expect(lost != nil, "not acquired")); err != nil {
				return err
			}
			holders = append(holders, semaphore)
		}
		third, err := j.client.SemaphoreOpts(&api.SemaphoreOptions{Prefix: "judge-slots", Limit: 2, SemaphoreTryOnce: true, SemaphoreWaitTime: 100 * time.Millisecond})
		if err != nil {
			return err
		}
		lost, err := third.Acquire(nil)
		return first(err, expect(lost == nil, "three hold two slots"), holders[0].Release(), holders[1].Release(), holders[0].Destroy())
	})
}
