package nodes

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ResidentBytes is what a process has in memory now: VmRSS (proc(5)).
func ResidentBytes(pid int) (int64, error) { return status(pid, "VmRSS:") }

// PeakBytes is the most that a process has had in memory: VmHWM.
func PeakBytes(pid int) (int64, error) { return status(pid, "VmHWM:") }

// status reads a size from a process's status.
func status(pid int, field string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		value, found := strings.CutPrefix(line, field)
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
		return kib << 10, err
	}
	return 0, fmt.Errorf("process %d has no %s it has ended", pid, field)
}
