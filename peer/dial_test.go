package peer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"
)

// deaf returns the address of a listener that lets connections hang, as a host
// does that is gone: its queue is full, and the kernel drops what comes.
func deaf(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
	for range 16 {
		conn, err := net.DialTimeout("tcp", addr, 50*time.Millisecond)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("this kernel's queue is never full")
	return ""
}

func TestDialTCP(t *testing.T) {
	addr := deaf(t)
	began := time.Now()
	_, err := dialTCP(t.Context(), addr, 100*time.Millisecond)
	if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took < 100*time.Millisecond || took > 10*time.Second {
		t.Errorf("nobody there: %v after %s", err, took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := dialTCP(ctx, addr, time.Minute); err == nil || errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() == nil {
		t.Errorf("the asker gave up: %v", err)
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := dialTCP(t.Context(), l.Addr().String(), 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	l.Close()
	if _, err := dialTCP(t.Context(), l.Addr().String(), 20*time.Second); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a closed port: %v", err)
	}
}

func TestConnected(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for addr, want := range map[string]bool{deaf(t): false, l.Addr().String(): true} {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		to, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Connect(fd, &syscall.SockaddrInet4{Port: to.Port, Addr: [4]byte{127, 0, 0, 1}}); err != nil && !errors.Is(err, syscall.EINPROGRESS) {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), addr)
		s, err := f.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if got := connected(s); got != want {
			t.Errorf("connected: %t, want %t", got, want)
		}
		f.Close()
		if connected(s) {
			t.Error("a closed socket is connected")
		}
	}
}
