package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"

	"rookery/admin"
)

type statusCmd struct {
	nodeFlags
}

// Help is the end of what --help prints.
func (statusCmd) Help() string {
	return "Example:\n\n\tROOKERY_TOKEN=secret rookery status --admin http://127.0.0.1:9081\n"
}

// status is everything that one node says of itself.
type status struct {
	Health  admin.Health  `json:"health"`
	Ready   admin.Ready   `json:"ready"`
	Cluster admin.Cluster `json:"cluster"`
	Stats   admin.Stats   `json:"stats"`
}

// Run asks one node and prints what it says. A node that is degraded or not
// ready is an answer, not a failure.
func (c *statusCmd) Run(ctx context.Context, p *process) error {
	node := c.client()
	defer node.close()
	s, err := askStatus(ctx, node)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(p.stdout, s)
	}
	_, err = io.WriteString(p.stdout, s.text())
	return err
}

func askStatus(ctx context.Context, node *client) (status, error) {
	var s status
	if err := node.get(ctx, "/health", &s.Health); err != nil {
		return s, err
	}
	if err := node.get(ctx, "/ready", &s.Ready, http.StatusServiceUnavailable); err != nil {
		return s, err
	}
	if err := node.get(ctx, "/admin/cluster", &s.Cluster); err != nil {
		return s, err
	}
	return s, node.get(ctx, "/admin/cache/stats", &s.Stats)
}

// text is the status as people read it: the node, the members, the cache.
func (s *status) text() string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	ready := "yes"
	if !s.Ready.Ready {
		ready = "no" + because(s.Ready.Reasons)
	}
	fmt.Fprintf(table, "node\t%s, version %s\n", s.Health.Node, s.Health.Version)
	fmt.Fprintf(table, "health\t%s%s\n", s.Health.State, because(s.Health.Reasons))
	fmt.Fprintf(table, "ready\t%s\n", ready)
	fmt.Fprintf(table, "ring\t%s\n", s.Cluster.Fingerprint)
	fmt.Fprintf(table, "council\t%s\n", councilText(s.Cluster.Council))
	fmt.Fprintf(table, "lease\t%s\n\n", leaseText(s.Cluster.Lease))

	fmt.Fprintln(table, "MEMBER\tSTATE\tZONE\tPEER ADDRESS\tVERSION")
	for _, m := range s.Cluster.Members {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", m.Name, memberState(m), orNone(m.Zone), orNone(m.PeerAddress), orNone(m.Version))
	}
	fmt.Fprintln(table)
	s.cacheTable(table)
	_ = table.Flush() // a strings.Builder takes everything
	return out.String()
}

// cacheTable prints what the cache holds and how it answered since the start.
func (s *status) cacheTable(w io.Writer) {
	disk, hot, flights, reads := s.Stats.Disk, s.Stats.Hot, s.Stats.Flights, s.Stats.Reads
	full := ""
	if disk.Full {
		full = ", full: nothing is stored"
	}
	fmt.Fprintln(w, "CACHE\tHITS\tMISSES\tHOLDS")
	fmt.Fprintf(w, "hot\t%d\t%d\t%s of %s, %d objects\n", reads.Hot.Hits, reads.Hot.Misses,
		size(hot.UsedBytes), size(hot.CapacityBytes), hot.Entries)
	fmt.Fprintf(w, "disk\t%d\t%d\t%s of %s, %d segments%s\n", reads.Disk.Hits, reads.Disk.Misses,
		size(disk.UsedBytes), size(disk.CapacityBytes), disk.Segments, full)
	fmt.Fprintf(w, "peer\t%d\t%d\t-\n\n", reads.Peer.Hits, reads.Peer.Misses)
	fmt.Fprintf(w, "origin\t%d requests, %s received\n", reads.Origin.Requests, size(int64(reads.Origin.Bytes)))
	fmt.Fprintf(w, "collapsed\t%d readers waited for another's request\n", reads.Collapsed)
	fmt.Fprintf(w, "bypassed\t%d answers were not for the cache\n", reads.Bypassed)
	fmt.Fprintf(w, "flights\t%d, holding %s\n", flights.Count, size(flights.Bytes))
	fmt.Fprintf(w, "evicted\t%d records, %s reclaimed, %s kept by copying\n", disk.Evictions,
		size(int64(disk.ReclaimedBytes)), size(int64(disk.ReinsertedBytes)))
	fmt.Fprintf(w, "corrupt\t%d records\n", disk.CorruptRecords)
}

func councilText(c admin.CouncilView) string {
	if c.ID == "" {
		return "none"
	}
	text := fmt.Sprintf("leader %s, voters %s; applied %d of %d", orNone(c.Leader), orNone(strings.Join(c.Voters, ", ")), c.Applied, c.Commit)
	if c.WaitingPurges > 0 {
		text += fmt.Sprintf("; purges that wait for a quorum: %d", c.WaitingPurges)
	}
	return text
}

func leaseText(l admin.Lease) string {
	if !l.Held {
		return "none: hits are confirmed with S3"
	}
	if l.Until == nil {
		return "held"
	}
	return "held until " + l.Until.Format("15:04:05.000 MST")
}

func memberState(m admin.Member) string {
	if m.Unfit == "" {
		return m.State
	}
	return m.State + " (unfit: " + m.Unfit + ")"
}

// because puts reasons behind a word.
func because(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	return " (" + strings.Join(reasons, "; ") + ")"
}

// size prints bytes for people, in powers of 1,024.
func size(bytes int64) string {
	if bytes < 1<<10 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes)/(1<<10), 0
	for value >= 1<<10 && unit < len("KMGTPE")-1 {
		value, unit = value/(1<<10), unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTPE"[unit])
}
