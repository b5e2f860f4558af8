package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/hashicorp/consul/api"
)

// holdSlot holds one slot of a semaphore until standard input ends or the slot is lost. It prints a word per line: "held"
// or "full", or what the client says against it; then "lost" or "released", and whether the semaphore was "destroyed".
func holdSlot(address, prefix, limitText, waitText string) {
	limit, limitErr := strconv.Atoi(limitText)
	wait, waitErr := time.ParseDuration(waitText)
	if err := first(limitErr, waitErr); err != nil {
		fmt.Println(err)
		return
	}
	semaphore, err := connect(address, "").SemaphoreOpts(&api.SemaphoreOptions{
		Prefix: prefix, Limit: limit, SemaphoreTryOnce: true, SemaphoreWaitTime: wait,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	lost, err := semaphore.Acquire(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if lost == nil {
		fmt.Println("full")
		return
	}
	fmt.Println("held")
	told := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(told)
	}()
	select {
	case <-lost:
		fmt.Println("lost")
		return
	case <-told:
	}
	if err := semaphore.Release(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("released")
	if err := semaphore.Destroy(); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("destroyed")
}
