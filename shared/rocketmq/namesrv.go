package rocketmq

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// parseNamesrv splits "ip:port[;ip:port]" or "http://name:port" into addresses to dial, "host:port"
// each.
func parseNamesrv(namesrv string) ([]string, error) {
	var addrs []string
	for _, part := range strings.Split(namesrv, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}

		addr, named := strings.CutPrefix(part, "http://")
		host, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, fmt.Errorf("name server address %q: %w; use ip:port or http://name:port", part, err)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("name server address %q: use ip:port or http://name:port", part)
		}
		// T37: the library would refuse a bare DNS name with "IP addr error".
		if _, err := netip.ParseAddr(host); err != nil && !named {
			return nil, fmt.Errorf("name server address %q: %q is not an IP address; write a DNS name as http://%s",
				part, host, part)
		}

		addrs = append(addrs, addr)
	}

	// T37: with no address the library would take one from a variable of its own, or ask a host on
	// the internet.
	if len(addrs) == 0 {
		return nil, fmt.Errorf("name server address %q is empty: use ip:port[;ip:port] or http://name:port",
			namesrv)
	}
	return addrs, nil
}

// clientNamesrv returns addrs in the form that the library takes: behind this prefix it leaves a
// name alone and dials it.
func clientNamesrv(addrs []string) []string {
	prefixed := make([]string, len(addrs))
	for i, addr := range addrs {
		prefixed[i] = "http://" + addr
	}
	return prefixed
}

// ValidateNamesrv says whether namesrv has the form that every client here takes. It asks no
// server.
func ValidateNamesrv(namesrv string) error {
	_, err := parseNamesrv(namesrv)
	return err
}
