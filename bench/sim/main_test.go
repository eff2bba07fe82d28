package sim

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

var (
	sizesFlag = flag.String("sizes", "10", "how many nodes the simulated clusters have, separated by commas")
	keysFlag  = flag.Int("keys", 200_000, "how many keys stand for all")
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(m.Run())
}

// sizes are the clusters that are asked for.
func sizes(t *testing.T) []int {
	t.Helper()
	var all []int
	for text := range strings.SplitSeq(*sizesFlag, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 4 {
			t.Fatalf("-sizes: %q is no cluster of four or more", text)
		}
		all = append(all, n)
	}
	return all
}

func names(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("rook-%d", i)
	}
	return all
}
