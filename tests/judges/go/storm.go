package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"
)

// storm opens and closes mutual TLS 1.3 connections of many kinds (storm_visits.go). It works off orders, one per line of its
// standard input: "COUNT SECONDS" opens so many, spread over that time, or later when the target does not keep up. Once a second and
// after each order it prints a JSON line of all that was done; the last one, when its input has ended.
func storm(args []string) error {
	flags := flag.NewFlagSet("storm", flag.ExitOnError)
	mesh := meshFlags(flags)
	workers := flags.Int("workers", 32, "connections at once")
	_ = flags.Parse(args)
	config, err := mesh.config()
	if err != nil {
		return err
	}
	tally := newStormTally()
	turns := make(chan int)
	var group, order sync.WaitGroup
	for worker := range *workers {
		own := newVisitor(*mesh.target, config, worker)
		group.Go(func() {
			for turn := range turns {
				tally.add(own.visit(turn))
				order.Done()
			}
		})
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	go func() {
		for range tick.C {
			tally.report()
		}
	}()
	turn := 0
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		count, seconds := 0, 0.0
		if _, err := fmt.Sscanf(lines.Text(), "%d %g", &count, &seconds); err != nil {
			return fmt.Errorf("an order is COUNT SECONDS, not %q", lines.Text())
		}
		began := time.Now()
		order.Add(count)
		for i := range count {
			// Sleeping for every single one would cost more than it evens out.
			if due := time.Until(began.Add(time.Duration(float64(i) / float64(count) * seconds * float64(time.Second)))); due > 5*time.Millisecond {
				time.Sleep(due)
			}
			turns <- turn
			turn++
		}
		order.Wait()
		tally.endOrder()
	}
	close(turns)
	group.Wait()
	tally.report()
	return nil
}

// stormTally is what was done so far, by kind of visit.
type stormTally struct {
	mutex   sync.Mutex
	began   time.Time
	orders  int
	done    int
	failed  int
	resumed int
	kinds   map[string]int
	problem string
	// The longest that one took, and which kind it was.
	slowest     time.Duration
	slowestKind string
}

func newStormTally() *stormTally {
	return &stormTally{began: time.Now(), kinds: map[string]int{}}
}

func (tally *stormTally) add(outcome visitOutcome) {
	tally.mutex.Lock()
	defer tally.mutex.Unlock()
	tally.done++
	tally.kinds[outcome.kind]++
	if outcome.isResumed {
		tally.resumed++
	}
	if outcome.took > tally.slowest {
		tally.slowest, tally.slowestKind = outcome.took, outcome.kind
	}
	if outcome.problem != nil {
		tally.failed++
		if tally.problem == "" {
			tally.problem = outcome.kind + ": " + outcome.problem.Error()
		}
	}
}

func (tally *stormTally) endOrder() {
	tally.mutex.Lock()
	tally.orders++
	tally.mutex.Unlock()
	tally.report()
}

func (tally *stormTally) report() {
	tally.mutex.Lock()
	defer tally.mutex.Unlock()
	_ = report(map[string]any{
		"elapsed_s": time.Since(tally.began).Seconds(), "orders": tally.orders, "connections": tally.done,
		"failed": tally.failed, "resumed": tally.resumed, "kinds": tally.kinds, "problem": tally.problem,
		"slowest_ms": tally.slowest.Milliseconds(), "slowest_kind": tally.slowestKind,
	})
}
