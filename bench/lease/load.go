package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"

	"rookery/internal/pattern"
)

// server is one of the two programs, serving.
type server struct {
	url     string
	command *exec.Cmd
}

func startServer(ctx context.Context, program, dir string, args []string) (*server, error) {
	s := &server{command: exec.CommandContext(ctx, program, append(slices.Clone(args), "-serve", dir)...)}
	s.command.Stderr = os.Stderr
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s does not serve: %w", program, err), s.command.Wait())
	}
	s.url = "http://" + strings.TrimSpace(line)
	return s, nil
}

func (s *server) stop() error {
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	return s.command.Wait()
}

// load is what the clients do.
type load struct {
	options options
	client  *http.Client
}

// fill reads and checks every object, and then has the server hear of purges.
func (l *load) fill(ctx context.Context, s *server) error {
	for range 2 {
		for n := range l.options.objects {
			o := l.options.objectAt(n)
			body, err := fetch(ctx, l.client, http.MethodGet, s.url+"/"+o.Key)
			if err == nil && int64(len(body)) != o.Size {
				err = fmt.Errorf("%s: %d bytes, want %d", o.Key, len(body), o.Size)
			}
			if err == nil {
				err = o.Check(body, 0)
			}
			if err != nil {
				return err
			}
		}
	}
	_, err := fetch(ctx, l.client, http.MethodPost, s.url+"/-/purge")
	return err
}

// pair is the processor time, in seconds, of the same requests to both.
type pair struct{ with, without float64 }

// compare asks the servers in turn. Which of a pair is first changes from one to the
// next; the first pair only warms them up.
func (l *load) compare(ctx context.Context, both [2]*server) ([]pair, error) {
	costs := make([]pair, 0, l.options.rounds)
	for i := range l.options.rounds + 1 {
		var p pair
		for k := range both {
			which := (i + k) % 2
			used, err := l.round(ctx, both[which])
			if err != nil {
				return nil, err
			}
			if which == 0 {
				p.with = used
			} else {
				p.without = used
			}
		}
		if i > 0 {
			costs = append(costs, p)
		}
	}
	return costs, nil
}

// round sends one round of requests and returns the processor time they took.
func (l *load) round(ctx context.Context, s *server) (float64, error) {
	before, err := usageOf(ctx, l.client, s)
	if err != nil {
		return 0, err
	}
	errs := make([]error, l.options.clients)
	var clients sync.WaitGroup
	for i := range errs {
		clients.Go(func() {
			for n := i; n < l.options.requests && errs[i] == nil; n += len(errs) {
				errs[i] = l.hit(ctx, s, l.options.objectAt(n%l.options.objects))
			}
		})
	}
	clients.Wait()
	after, err := usageOf(ctx, l.client, s)
	return after - before, errors.Join(err, errors.Join(errs...))
}

// hit reads one object, which has to be a hit from memory.
func (l *load) hit(ctx context.Context, s *server, o pattern.Object) error {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/"+o.Key, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := l.client.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if status := answer.Header.Get("Cache-Status"); !strings.Contains(status, "; hit") || !strings.Contains(status, "detail=hot") {
		return fmt.Errorf("%s: %q is no hit from memory", o.Key, status)
	}
	read, err := io.Copy(io.Discard, answer.Body)
	if err == nil && read != o.Size {
		err = fmt.Errorf("%s: %d bytes, want %d", o.Key, read, o.Size)
	}
	return err
}

// maxBody bounds what fetch reads.
const maxBody = 1 << 20

func fetch(ctx context.Context, client *http.Client, method, url string) ([]byte, error) {
	q, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, answer.Status)
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxBody))
}
