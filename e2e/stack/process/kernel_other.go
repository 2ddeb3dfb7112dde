//go:build !linux

package process

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// DieWithParent does nothing: only Linux can tie a child to its parent. Here a SIGKILL of the
// parent leaves its servers running.
func DieWithParent(*syscall.SysProcAttr) {}

// BirthOf returns the start time of a process as ps prints it.
func BirthOf(pid int) (string, error) {
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
