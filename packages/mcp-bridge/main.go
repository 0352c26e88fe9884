// Command kubechain-mcp-bridge serves an MCP server of type stdio over streamable HTTP, in the Pod of the server.
//
//	kubechain-mcp-bridge copy DIR                                   copy this program into a volume
//	kubechain-mcp-bridge serve [flags] -- COMMAND [ARGS]            serve COMMAND
//
// It is one static file without dependencies: an init container copies it from the manager's image, and it runs in an
// image that need have nothing but the MCP server.
//
// Each session of a client has a program of its own, as each connection of the manager has in its own container: it is
// started by initialize, ends with the session, and a session whose program has ended is over. What restarts it is the
// client, which connects anew. Clients without sessions (protocol revision 2026-07-28) share one program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// How long calls in flight may go on after SIGTERM; the Pod has 10 s.
const drainTime = 8 * time.Second

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "kubechain-mcp-bridge:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 2 && args[0] == "copy":
		return copyTo(args[1])
	case len(args) > 0 && args[0] == "serve":
		return serve(args[1:])
	}
	return errors.New("usage: copy DIR | serve [--address HOST:PORT] [--token-file FILE] -- COMMAND [ARGS]")
}

// copyTo copies this executable into a directory, under a temporary name first: a container that restarts never finds half.
func copyTo(directory string) error {
	own, err := os.Executable()
	if err != nil {
		return err
	}
	source, err := os.Open(own)
	if err != nil {
		return err
	}
	defer source.Close()
	target := filepath.Join(directory, "kubechain-mcp-bridge")
	file, err := os.OpenFile(target+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, source); err != nil {
		file.Close()
		return err
	}
	if err = file.Close(); err != nil {
		return err
	}
	return os.Rename(target+".new", target)
}

func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	address := flags.String("address", ":8080", "where to listen")
	tokenFile := flags.String("token-file", "", "file with the bearer token that clients must send; none: no token")
	sessions := flags.Int("max-sessions", 8, "sessions at the same time; beyond it the one that was unused for longest ends")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() == 0 {
		return errors.New("serve: the command is missing")
	}
	token := ""
	if *tokenFile != "" {
		content, err := os.ReadFile(*tokenFile)
		if err != nil {
			return err
		}
		if token = strings.TrimSpace(string(content)); token == "" {
			return fmt.Errorf("%s is empty", *tokenFile)
		}
	}
	children := newReaper()
	bridge := newBridge(token, *sessions, func() (*program, error) { return start(children, flags.Args()) })
	server := &http.Server{Addr: *address, Handler: bridge.handler(), ReadHeaderTimeout: 10 * time.Second}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	bridge.endStreams() // a stream of notifications is open for as long as its client likes
	drained, cancelDrain := context.WithTimeout(context.Background(), drainTime)
	defer cancelDrain()
	_ = server.Shutdown(drained)
	bridge.close()
	return nil
}
