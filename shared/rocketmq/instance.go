package rocketmq

import (
	"fmt"
	"os"

	"github.com/google/uuid"
)

// uniqueInstance is a client instance name that no other client has, in this process, on this machine or in
// another container. The library's default is the process id, and clients of one name share one connection and
// one id: in containers, where every process is number 1 and addresses can repeat, a broker would take two
// consumers for one and give each of them every queue.
func uniqueInstance(label string) string {
	return fmt.Sprintf("%s-%d-%s", label, os.Getpid(), uuid.NewString())
}
