package main

import (
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
)

// reaper waits for every child, those too that a program left behind: the bridge is the first process of its container.
type reaper struct {
	mu      sync.Mutex
	waiting map[int]chan syscall.WaitStatus
}

func newReaper() *reaper {
	r := &reaper{waiting: map[int]chan syscall.WaitStatus{}}
	died := make(chan os.Signal, 1)
	signal.Notify(died, syscall.SIGCHLD)
	go func() {
		for range died {
			r.reap()
		}
	}()
	return r
}

func (r *reaper) start(command *exec.Cmd) (<-chan syscall.WaitStatus, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := command.Start(); err != nil {
		return nil, err
	}
	status := make(chan syscall.WaitStatus, 1)
	r.waiting[command.Process.Pid] = status
	return status, nil
}

func (r *reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		if waiting, is := r.waiting[pid]; is {
			delete(r.waiting, pid)
			waiting <- status
		}
	}
}
