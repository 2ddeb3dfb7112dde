//go:build !linux

package stack

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent does nothing: only Linux can tie a child to its parent. Here a SIGKILL of the
// parent leaves its servers running.
func dieWithParent(*syscall.SysProcAttr) {}

// birthOf returns the start time of a process as ps prints it.
func birthOf(pid int) (string, error) {
	b, err := exec.Command("ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", fmt.Errorf("process %d: %w", pid, err)
	}
	state, birth, found := strings.Cut(strings.TrimSpace(string(b)), " ")
	if !found || strings.HasPrefix(state, "Z") {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return strings.TrimSpace(birth), nil
}

func terminateWithParent() {}
