package process

import (
	"os/exec"
	"runtime"
	"sync"
)

// StartOnLastingThread starts cmd from a thread that lives as long as this process. Linux kills a
// child with Pdeathsig when the *thread* that forked it exits, and Go ends a thread whose goroutine
// returns while locked to it; any goroutine of a test may do that.
func StartOnLastingThread(cmd *exec.Cmd) error {
	failed := make(chan error, 1)
	lastingThread() <- func() { failed <- cmd.Start() }
	return <-failed
}

var lastingThread = sync.OnceValue(func() chan<- func() {
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})
