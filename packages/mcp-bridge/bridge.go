package main

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	sessionHeader = "Mcp-Session-Id"
	bodyBytes     = 8 << 20
	aliveEvery    = 20 * time.Second // a comment on a silent stream, so that nobody takes it for dead
)

// bridge serves programs to clients.
type bridge struct {
	token       string
	maxSessions int
	start       func() (*program, error)
	stopping    chan struct{}

	mu       sync.Mutex
	sessions map[string]*program
	shared   *program // of clients without sessions
}

func newBridge(token string, maxSessions int, start func() (*program, error)) *bridge {
	return &bridge{token: token, maxSessions: maxSessions, start: start, stopping: make(chan struct{}), sessions: map[string]*program{}}
}

func (b *bridge) handler() http.Handler {
	paths := http.NewServeMux()
	paths.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	paths.HandleFunc("POST /mcp", b.authorized(b.post))
	paths.HandleFunc("GET /mcp", b.authorized(b.listen))
	paths.HandleFunc("DELETE /mcp", b.authorized(b.end))
	return paths
}

func (b *bridge) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		given := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		if b.token != "" && subtle.ConstantTimeCompare([]byte(given), []byte(b.token)) != 1 {
			http.Error(w, "the bearer token is missing or wrong", http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

func (b *bridge) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytes))
	if err != nil {
		http.Error(w, "the message is too long, or was cut off", http.StatusRequestEntityTooLarge)
		return
	}
	said, is := parse(body)
	if !is {
		http.Error(w, "not a JSON-RPC message; batches are not supported", http.StatusBadRequest)
		return
	}
	session := r.Header.Get(sessionHeader)
	p, problem, status := b.programOf(&session, said)
	if p == nil {
		http.Error(w, problem, status)
		return
	}
	if !said.isRequest() {
		if err := p.tell(said); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		return
	}
	id, asked, err := p.ask(said)
	if asked == nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer p.giveUp(id, session == "") // with sessions, a client says what it cancels
	if said.method == "initialize" {
		w.Header().Set(sessionHeader, session)
	}
	b.answer(w, r, p, asked, said.method == "initialize")
}

// answer writes what comes for a call: JSON if that is the answer alone, else a stream of events.
func (b *bridge) answer(w http.ResponseWriter, r *http.Request, p *program, asked *call, begins bool) {
	var first []byte
	select {
	case first = <-asked.out:
	case <-r.Context().Done():
		return
	}
	if why, _, _ := p.state(); begins && why != "" {
		w.Header().Del(sessionHeader)
		http.Error(w, why, http.StatusBadGateway)
		return
	}
	if said, _ := parse(first); said.isResponse() {
		w.Header().Set("Content-Type", "application/json")
		w.Write(first)
		return
	}
	stream(w, r, [][]byte{first}, asked.out, nil)
}

// listen serves what belongs to no call, to a client with a session.
func (b *bridge) listen(w http.ResponseWriter, r *http.Request) {
	p := b.session(r.Header.Get(sessionHeader))
	if p == nil {
		status := http.StatusNotFound
		if r.Header.Get(sessionHeader) == "" {
			status = http.StatusMethodNotAllowed
		}
		http.Error(w, "no valid session", status)
		return
	}
	out, waiting := p.listen()
	defer p.unlisten(out)
	stream(w, r, waiting, out, b.stopping)
}

func (b *bridge) end(w http.ResponseWriter, r *http.Request) {
	session := r.Header.Get(sessionHeader)
	p := b.session(session)
	if p == nil {
		http.Error(w, "no valid session", http.StatusNotFound)
		return
	}
	b.mu.Lock()
	delete(b.sessions, session)
	b.mu.Unlock()
	p.close()
	w.WriteHeader(http.StatusNoContent)
}

// programOf returns the program of a request. It starts one for a new session, whose id it sets.
func (b *bridge) programOf(session *string, said message) (*program, string, int) {
	if said.method == "initialize" {
		return b.begin(session)
	}
	if *session != "" {
		if p := b.session(*session); p != nil {
			return p, "", 0
		}
		return nil, "no valid session", http.StatusNotFound
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shared != nil {
		if why, _, _ := b.shared.state(); why == "" {
			return b.shared, "", 0
		}
	}
	p, err := b.start()
	if err != nil {
		return nil, err.Error(), http.StatusBadGateway
	}
	b.shared = p
	return p, "", 0
}

// begin a session. It takes over the program that answered a client's question whether sessions are needed.
func (b *bridge) begin(session *string) (*program, string, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.makeRoom() {
		return nil, "too many sessions", http.StatusServiceUnavailable
	}
	p := b.shared
	if p != nil {
		if why, _, open := p.state(); why != "" || open > 0 {
			p = nil
		}
	}
	if p == nil {
		var err error
		if p, err = b.start(); err != nil {
			return nil, err.Error(), http.StatusBadGateway
		}
	} else {
		b.shared = nil
	}
	id := make([]byte, 16)
	rand.Read(id)
	*session = hex.EncodeToString(id)
	b.sessions[*session] = p
	return p, "", 0
}

// makeRoom ends the session that was unused for longest if there are too many: a client that died never says so.
func (b *bridge) makeRoom() bool {
	oldest, since := "", time.Now()
	for id, p := range b.sessions {
		why, usedAt, open := p.state()
		if why != "" {
			delete(b.sessions, id)
		} else if open == 0 && usedAt.Before(since) {
			oldest, since = id, usedAt
		}
	}
	if len(b.sessions) < b.maxSessions {
		return true
	}
	if oldest == "" {
		return false
	}
	go b.sessions[oldest].close()
	delete(b.sessions, oldest)
	return true
}

// session returns the program of a session; nil if there is none, or it has ended.
func (b *bridge) session(id string) *program {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.sessions[id]
	if p == nil {
		return nil
	}
	if why, _, _ := p.state(); why != "" {
		delete(b.sessions, id)
		return nil
	}
	return p
}

func (b *bridge) endStreams() { close(b.stopping) }

func (b *bridge) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ending sync.WaitGroup
	for _, p := range b.sessions {
		ending.Go(p.close)
	}
	if b.shared != nil {
		ending.Go(b.shared.close)
	}
	ending.Wait()
}

// stream writes messages as events until there are no more, the client is gone or the bridge stops.
func stream(w http.ResponseWriter, r *http.Request, first [][]byte, rest <-chan []byte, stopping <-chan struct{}) {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flushed := http.NewResponseController(w)
	for _, line := range first {
		writeEvent(w, line)
	}
	flushed.Flush()
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	for {
		select {
		case line, is := <-rest:
			if !is {
				return
			}
			writeEvent(w, line)
		case <-alive.C:
			io.WriteString(w, ": alive\n\n")
		case <-r.Context().Done():
			return
		case <-stopping:
			return
		}
		flushed.Flush()
	}
}

func writeEvent(w io.Writer, line []byte) {
	io.WriteString(w, "event: message\ndata: "+string(line)+"\n\n")
}
