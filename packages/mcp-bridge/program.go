package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	lineBytes    = 8 << 20         // of one message; the manager takes 4 MiB
	backlogSize  = 100             // messages that wait for a stream; beyond it the oldest is dropped
	stderrBytes  = 2 << 10         // of the end of stderr, for the message of a program that has ended
	stopGrace    = 2 * time.Second // after stdin is closed, and again after SIGTERM
	settledGrace = time.Second     // for the last lines of stderr after the end of stdout
)

// call is a request of a client that a program has not answered.
type call struct {
	id, progress json.RawMessage
	out          chan []byte // messages on the way to its answer, which is the last
}

// program is one process of the MCP server, and what is on the way to and from it. Ids of requests, and the tokens of
// their progress, are replaced by numbers of ours: clients that share a program choose the same ones.
type program struct {
	process *os.Process
	stdin   io.WriteCloser
	stderr  *tail
	ended   chan struct{} // closed once the process is gone

	writing  sync.Mutex
	mu       sync.Mutex
	last     int64
	calls    map[int64]*call
	listener chan []byte
	backlog  [][]byte
	why      string // it has ended; empty while it runs
	usedAt   time.Time
}

func start(children *reaper, words []string) (*program, error) {
	command := exec.Command(words[0], words[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p := &program{stderr: &tail{}, ended: make(chan struct{}), calls: map[int64]*call{}, usedAt: time.Now()}
	command.Stderr = p.stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	status, err := children.start(command)
	if err != nil {
		return nil, err
	}
	p.process, p.stdin = command.Process, stdin
	go p.read(stdout, status)
	return p, nil
}

// read passes on what the program says until it ends.
func (p *program) read(stdout io.Reader, status <-chan syscall.WaitStatus) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(make([]byte, 64<<10), lineBytes)
	for lines.Scan() {
		if found, is := parse(bytes.TrimSpace(lines.Bytes())); is {
			p.take(found)
		} // what is no message is noise, which many programs print
	}
	what := "the program closed its output"
	if lines.Err() != nil {
		what = fmt.Sprintf("a message of the program is over %d bytes", lineBytes)
	}
	select {
	case ended := <-status:
		what = "the program ended: " + described(ended)
	case <-time.After(settledGrace):
		p.stop(status)
	}
	p.kill(syscall.SIGKILL) // what it started and left
	p.end(p.stderr.with(what))
}

func (p *program) end(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.why = why
	for id, waiting := range p.calls {
		deliver(waiting.out, failure(waiting.id, why))
		close(waiting.out)
		delete(p.calls, id)
	}
	if p.listener != nil {
		close(p.listener)
		p.listener = nil
	}
	close(p.ended)
}

// stop ends the process, and returns once it is known to be gone or was sent SIGKILL.
func (p *program) stop(status <-chan syscall.WaitStatus) { endUntil(status, p) }

func (p *program) close() {
	endUntil(p.ended, p)
	<-p.ended
}

// endUntil ends a process as the manager ends its children: no more input, then SIGTERM, then SIGKILL, to its group.
func endUntil[T any](gone <-chan T, p *program) {
	p.stdin.Close()
	for _, sent := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case <-gone:
			return
		case <-time.After(stopGrace):
			p.kill(sent)
		}
	}
}

func (p *program) kill(sent syscall.Signal) { _ = syscall.Kill(-p.process.Pid, sent) }

// ask sends a request; its answer and what comes before it arrive on the channel of the call.
func (p *program) ask(asked message) (int64, *call, error) {
	p.mu.Lock()
	if p.why != "" {
		p.mu.Unlock()
		return 0, nil, fmt.Errorf("%s", p.why)
	}
	p.last++
	id, made := p.last, &call{id: asked.fields["id"], progress: asked.at("_meta", "progressToken"), out: make(chan []byte, 64)}
	p.calls[id] = made
	p.usedAt = time.Now()
	p.mu.Unlock()
	sent := asked.withID(number(id))
	if made.progress != nil {
		sent = sent.with(number(id), "_meta", "progressToken")
	}
	return id, made, p.send(sent)
}

// tell sends a notification, or the answer to a request of the program.
func (p *program) tell(told message) error {
	if told.method == "notifications/cancelled" {
		id := p.idOf(told.at("requestId"))
		if id == 0 {
			return nil // answered already
		}
		told = told.with(number(id), "requestId")
	}
	return p.send(told)
}

func (p *program) idOf(wanted json.RawMessage) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, waiting := range p.calls {
		if bytes.Equal(waiting.id, wanted) {
			return id
		}
	}
	return 0
}

func (p *program) send(sent message) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	_, err := p.stdin.Write(append(sent.line(), '\n'))
	return err
}

// give up on a call: its client is gone. What still comes for it is dropped.
func (p *program) giveUp(id int64, tells bool) {
	p.mu.Lock()
	_, isOpen := p.calls[id]
	delete(p.calls, id)
	p.mu.Unlock()
	if isOpen && tells {
		params := encoded(map[string]any{"requestId": id, "reason": "the client is gone"})
		_ = p.send(message{fields{"jsonrpc": encoded("2.0"), "method": encoded("notifications/cancelled"), "params": params}, ""})
	}
}

// take passes on one message of the program.
func (p *program) take(said message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.usedAt = time.Now()
	var id int64
	switch {
	case said.isResponse():
		if json.Unmarshal(said.fields["id"], &id) == nil && p.calls[id] != nil {
			waiting := p.calls[id]
			delete(p.calls, id)
			deliver(waiting.out, said.withID(waiting.id).line())
			close(waiting.out)
		}
		return
	case said.method == "notifications/progress":
		if json.Unmarshal(said.at("progressToken"), &id) == nil && p.calls[id] != nil {
			deliver(p.calls[id].out, said.with(p.calls[id].progress, "progressToken").line())
		}
		return
	case said.at("_meta", subscriptionKey) != nil:
		if json.Unmarshal(said.at("_meta", subscriptionKey), &id) == nil && p.calls[id] != nil {
			deliver(p.calls[id].out, said.with(p.calls[id].id, "_meta", subscriptionKey).line())
		}
		return
	}
	p.route(said.line())
}

// route passes on what belongs to no call: to the stream of notifications, else on the way of the newest call.
func (p *program) route(line []byte) {
	if p.listener != nil {
		deliver(p.listener, line)
		return
	}
	if len(p.calls) > 0 {
		deliver(p.calls[slices.Max(slices.Collect(maps.Keys(p.calls)))].out, line)
		return
	}
	if p.backlog = append(p.backlog, line); len(p.backlog) > backlogSize {
		p.backlog = p.backlog[1:]
	}
}

// deliver hands a message to a client; one that does not read loses what comes before the answer, and holds nobody up.
func deliver(out chan []byte, line []byte) {
	for {
		select {
		case out <- line:
			return
		default:
		}
		select {
		case <-out:
		default:
		}
	}
}

// listen makes the stream of what belongs to no call; an earlier one ends.
func (p *program) listen() (<-chan []byte, [][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		close(p.listener)
	}
	p.listener = make(chan []byte, backlogSize)
	waiting := p.backlog
	p.backlog = nil
	out := p.listener
	if p.why != "" {
		close(out)
		p.listener = nil
	}
	return out, waiting
}

func (p *program) unlisten(out <-chan []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == out {
		p.listener = nil
	}
}

func (p *program) state() (why string, usedAt time.Time, open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why, p.usedAt, len(p.calls)
}

func described(status syscall.WaitStatus) string {
	if status.Signaled() {
		return "signal " + status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}

// tail passes stderr on to ours, and keeps its end.
type tail struct {
	mu  sync.Mutex
	end []byte
}

func (t *tail) Write(part []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.end = append(t.end, part...); len(t.end) > stderrBytes {
		t.end = t.end[len(t.end)-stderrBytes:]
	}
	return os.Stderr.Write(part)
}

func (t *tail) with(what string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if said := strings.TrimSpace(strings.ToValidUTF8(string(t.end), "")); said != "" {
		return what + ": " + said
	}
	return what
}
