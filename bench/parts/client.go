package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// read reads all parts of an object, so many at a time, from the addresses in turn,
// and returns how long it took.
func (s *origin) read(ctx context.Context, o options, from []string, path string) (time.Duration, error) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.at}}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	parts := make(chan int64)
	errs := make([]error, o.at)
	var workers sync.WaitGroup
	start := time.Now()
	for w := range o.at {
		workers.Go(func() {
			buf := make([]byte, o.partMiB*mib)
			for at := range parts {
				err := s.readPart(ctx, client, from[int(at/(o.partMiB*mib))%len(from)]+path, at, buf)
				if err != nil {
					errs[w] = err
					cancel()
					return
				}
			}
		})
	}
	for at := int64(0); at < int64(len(s.body)); at += o.partMiB * mib {
		select {
		case parts <- at:
		case <-ctx.Done():
		}
	}
	close(parts)
	workers.Wait()
	return time.Since(start), errors.Join(errs...)
}

func (s *origin) readPart(ctx context.Context, client *http.Client, url string, at int64, buf []byte) error {
	want := s.body[at:min(at+int64(len(buf)), int64(len(s.body)))]
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", at, at+int64(len(want))-1))
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusPartialContent {
		return fmt.Errorf("byte %d: %s", at, response.Status)
	}
	if _, err := io.ReadFull(response.Body, buf[:len(want)]); err != nil {
		return fmt.Errorf("byte %d: %w", at, err)
	}
	if !bytes.Equal(buf[:len(want)], want) {
		return fmt.Errorf("wrong bytes behind %d", at)
	}
	return nil
}
