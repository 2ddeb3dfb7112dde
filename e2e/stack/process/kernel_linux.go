package process

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
)

// DieWithParent makes the kernel kill the child when this process ends, even by SIGKILL.
func DieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }

// BirthOf returns the start time of a process in clock ticks since boot (field 22 of
// /proc/PID/stat) with the boot's id, since ticks begin again at the next boot. A zombie counts as
// gone: it holds no port and no file, and where nothing reaps orphans (pid 1 of many containers) it
// would stay for ever.
func BirthOf(pid int) (string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	// The second field is the command in parentheses and may itself contain spaces and parentheses.
	stat := string(b)
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat has an unknown form: %q", pid, stat)
	}
	if state := fields[0]; state == "Z" || state == "X" {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fields[19] + "@" + bootID(), nil
}

var bootID = sync.OnceValue(func() string {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
})

// terminateWithParent sends this process a SIGTERM when its parent ends.
func terminateWithParent() {
	parent := os.Getppid()
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0)
	if os.Getppid() != parent { // the parent ended before the call
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	}
}
