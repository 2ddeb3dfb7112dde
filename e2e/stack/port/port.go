// Package port finds ports of loopback that are free, and tells whether one is taken.
package port

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
	first = 15000
	last  = 32000
	tries = 200
)

var handedOut struct {
	sync.Mutex
	ports map[int]bool // so that two servers that start at the same time get different ones
}

// Free returns a port p on loopback for which p and p+offset for every offset are free.
func Free(offsets ...int) (int, error) {
	handedOut.Lock()
	defer handedOut.Unlock()
	if handedOut.ports == nil {
		handedOut.ports = make(map[int]bool)
	}

	for range tries {
		p := first + rand.IntN(last-first)
		all := []int{p}
		for _, o := range offsets {
			all = append(all, p+o)
		}
		if !allFree(all) {
			continue
		}

		for _, q := range all {
			handedOut.ports[q] = true
		}
		return p, nil
	}
	return 0, fmt.Errorf("no free port on 127.0.0.1 between %d and %d in %d tries", first, last, tries)
}

func allFree(all []int) bool {
	for _, p := range all {
		if handedOut.ports[p] || !isFree(p) {
			return false
		}
	}
	return true
}

// isFree also asks for all addresses at once: a server that listens there is in the way too.
func isFree(p int) bool {
	for _, host := range []string{"127.0.0.1", ""} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(p))) //nolint:noctx // does not wait
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// takenLooks and takenPause are how often, and how far apart, a port is looked at before it counts
// as taken.
const (
	takenLooks = 20
	takenPause = 50 * time.Millisecond
)

// StaysTaken looks more than once: a child that this process is just forking holds the listener
// of our look before, until its program is executed.
func StaysTaken(p int) bool {
	again := time.NewTicker(takenPause)
	defer again.Stop()
	for range takenLooks {
		if isFree(p) {
			return false
		}
		<-again.C
	}
	return true
}

// Loopback is the address, as host:port, of a port on loopback.
func Loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
