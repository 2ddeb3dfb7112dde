// Package guard keeps a panic from ending more than the work that met it.
package guard

import (
	"fmt"
	"runtime/debug"
)

// Run runs do, and returns its error. A panic becomes an error with the stack behind its first
// line.
func Run(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}
