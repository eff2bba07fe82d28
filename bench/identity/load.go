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
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// server is the measured process.
type server struct {
	url     string
	tokens  []string // by subject
	command *exec.Cmd
}

func startServer(ctx context.Context, o options, dir string, args []string) (*server, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{command: exec.CommandContext(ctx, program, append(slices.Clone(args), "-serve", dir)...)}
	s.command.Stderr = os.Stderr
	out, err := s.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if s.url == "" {
			s.url = "http://" + lines.Text()
			continue
		}
		if s.tokens = append(s.tokens, lines.Text()); len(s.tokens) == o.subjects {
			return s, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("%s does not serve: %w", program, lines.Err()), s.command.Wait())
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
	server  *server
	client  *http.Client
}

// fill reads every object twice from both buckets, so that all further ones are hits.
func (l *load) fill(ctx context.Context) error {
	for _, bucket := range []string{open, guarded} {
		for range 2 {
			for n := range l.options.objects * l.options.subjects {
				if _, err := l.read(ctx, bucket, n); err != nil {
					return err
				}
			}
		}
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, l.server.url+"/"+guarded+"/0/0", http.NoBody)
	if err != nil {
		return err
	}
	answer, err := l.client.Do(q)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		return fmt.Errorf("without a token: %s", answer.Status)
	}
	return nil
}

// pair is the processor time, in seconds, of two rounds of the same requests.
type pair struct{ with, without float64 }

// compare runs pairs of rounds, each bucket first in every second one. The first
// pair warms up.
func (l *load) compare(ctx context.Context) ([]pair, error) {
	var costs []pair
	for i := range l.options.rounds + 1 {
		var p pair
		var err error
		first, second := &p.with, &p.without
		buckets := []string{guarded, open}
		if i%2 == 1 {
			first, second = second, first
			slices.Reverse(buckets)
		}
		if *first, err = l.round(ctx, buckets[0]); err == nil {
			*second, err = l.round(ctx, buckets[1])
		}
		if err != nil {
			return nil, err
		}
		if i > 0 {
			costs = append(costs, p)
		}
	}
	return costs, nil
}

// round sends one round of requests and returns the processor time they took.
func (l *load) round(ctx context.Context, bucket string) (float64, error) {
	before, err := l.usage(ctx)
	if err != nil {
		return 0, err
	}
	errs := make([]error, l.options.clients)
	var clients sync.WaitGroup
	for i := range errs {
		clients.Go(func() {
			for n := i; n < l.options.requests && errs[i] == nil; n += len(errs) {
				errs[i] = l.hit(ctx, bucket, n)
			}
		})
	}
	clients.Wait()
	after, err := l.usage(ctx)
	return after - before, errors.Join(err, errors.Join(errs...))
}

func (l *load) hit(ctx context.Context, bucket string, n int) error {
	status, err := l.read(ctx, bucket, n)
	if err == nil && (!strings.Contains(status, "; hit") || !strings.Contains(status, "detail=hot")) {
		err = fmt.Errorf("%d: %q is no hit from memory", n, status)
	}
	return err
}

// read reads one object of one subject with its token, and returns its Cache-Status.
func (l *load) read(ctx context.Context, bucket string, n int) (string, error) {
	subject := n % l.options.subjects
	target := fmt.Sprintf("%s/%s/%d/%d", l.server.url, bucket, subject, n/l.options.subjects%l.options.objects)
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return "", err
	}
	if bucket == guarded {
		q.Header.Set("Authorization", "Bearer "+l.server.tokens[subject])
	}
	answer, err := l.client.Do(q)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	read, err := io.Copy(io.Discard, answer.Body)
	if err == nil && (answer.StatusCode != http.StatusOK || read != l.options.bytes) {
		err = fmt.Errorf("%s: %s, %d bytes", target, answer.Status, read)
	}
	return answer.Header.Get("Cache-Status"), err
}

// usage asks the server what processor time it has used, in seconds.
func (l *load) usage(ctx context.Context) (float64, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, l.server.url+"/-/usage", http.NoBody)
	if err != nil {
		return 0, err
	}
	answer, err := l.client.Do(q)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 100))
	if err != nil {
		return 0, err
	}
	used, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return float64(used) / 1e6, err
}
