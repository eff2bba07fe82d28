package run_test

import (
	"testing"

	"go.uber.org/goleak"
)

// memberlist's probes end by themselves within a probe's time after its
// Shutdown, and cannot be waited for.
var memberlistsOwn = goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, memberlistsOwn) }
