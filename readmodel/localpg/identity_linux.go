package localpg

import "syscall"

// platform adds what only Linux has: the user namespace, and the signal that the kernel sends to
// the child when the thread that started it ends, be it by kill -9 of the whole process.
func (as identity) platform(attr *syscall.SysProcAttr) {
	attr.Pdeathsig = syscall.SIGINT
	if as.namespace {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 0, Size: 1}}
	}
}
