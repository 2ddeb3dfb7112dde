package stack

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// Ports are taken from below the range that systems use for outgoing connections (Linux from 32768,
// macOS from 49152): a connection opened between "this port is free" and the server's start could
// have it otherwise.
const (
	firstPort = 15000
	lastPort  = 32000
	portTries = 200
)

var ports struct {
	sync.Mutex
	given map[int]bool // so that two servers that start at the same time get different ones
}

// freePort returns a port p on loopback for which p and p+offset for every offset are free.
func freePort(offsets ...int) (int, error) {
	ports.Lock()
	defer ports.Unlock()
	if ports.given == nil {
		ports.given = make(map[int]bool)
	}

	for range portTries {
		p := firstPort + rand.IntN(lastPort-firstPort)
		all := []int{p}
		for _, o := range offsets {
			all = append(all, p+o)
		}
		if !allFree(all) {
			continue
		}

		for _, q := range all {
			ports.given[q] = true
		}
		return p, nil
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1 between %d and %d in %d tries", firstPort, lastPort, portTries)
}

func allFree(all []int) bool {
	for _, p := range all {
		if ports.given[p] || !portIsFree(p) {
			return false
		}
	}
	return true
}

// portIsFree also asks for all addresses at once: a server that listens there is in the way too.
func portIsFree(p int) bool {
	for _, host := range []string{"127.0.0.1", ""} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p))) //nolint:noctx // does not wait
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// takenLooks and takenPause are how often, and how far apart, a port is looked at before it counts as taken.
const (
	takenLooks = 20
	takenPause = 50 * time.Millisecond
)

// portStaysTaken looks more than once: a child that this process is just forking holds the listener
// of our look before, until its program is executed.
func portStaysTaken(p int) bool {
	again := time.NewTicker(takenPause)
	defer again.Stop()
	for range takenLooks {
		if portIsFree(p) {
			return false
		}
		<-again.C
	}
	return true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
