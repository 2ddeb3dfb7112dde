package rocketmq

import "testing"

// No server listens at these addresses.
const (
	deadAddr      = "127.0.0.1:1"
	otherDeadAddr = "127.0.0.1:2"
)

// T38: the library asks one of the name servers and stays with the answer that it gets there.
// Whichever door it chooses, the route comes from a name server that is up.
func TestANameServerThatIsAwayIsStoodInFor(t *testing.T) {
	t.Parallel()
	topic := testTopic(t, 1)
	in := testGateway(t)
	doors, err := in.namesrvs([]string{deadAddr, testAdmin(t).namesrvs[0], otherDeadAddr})
	if err != nil {
		t.Fatal(err)
	}

	for i, door := range doors {
		admin, err := NewAdmin("http://" + door)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = admin.Close() })
		if err := admin.Ping(t.Context(), topic); err != nil {
			t.Errorf("name server %d: %v", i, err)
		}
	}
}
