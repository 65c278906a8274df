//go:build !linux

package localpg

import "syscall"

// platform has nothing to add elsewhere: there are no user namespaces, and a server outlives an
// owner that was killed with -9, until the next Start ends it.
func (as identity) platform(*syscall.SysProcAttr) {}
