package rocketmq

import (
	"fmt"
	"os"

	"github.com/google/uuid"
)

// uniqueInstance makes an instance name that no other client has, in this process, on this machine
// or in another container. T40: clients of one name have one id. The library's default name is the
// process id. With it a broker could take the consumers of two containers for one, and give each of
// them every queue.
func uniqueInstance(label string) string {
	return fmt.Sprintf("%s-%d-%s", label, os.Getpid(), uuid.NewString())
}
