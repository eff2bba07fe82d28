package history

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
)

// Violation is an answer that should not have been given.
type Violation struct {
	Get Get
	// Purge is the one that forbids it; nil where the answer is wrong in itself.
	Purge *Purge
	Why   string
}

func (v Violation) String() string {
	text := fmt.Sprintf("%s at %d–%d (%s %s): %s", v.Get.Key, v.Get.Invoked, v.Get.Completed, v.Get.Node, v.Get.Via, v.Why)
	if v.Purge != nil {
		text += fmt.Sprintf("; purge of %v at %d–%d (%s), seen %v", v.Purge.Scopes, v.Purge.Invoked, v.Purge.Completed, v.Purge.Via, v.Purge.Seen)
	}
	return text
}

// Verdict is what a check counted.
type Verdict struct {
	Overwrites, Purges, Gets int
	// Complete are the purges that were reported complete and bind.
	Complete int
	// Bound are the answers that some purge had something to say about; Newer of
	// them, those for which the origin had an older version before that purge, so
	// that it could have been served.
	Bound, Newer int
	Violations   []Violation
}

// Operations is how many there were of all sorts.
func (v *Verdict) Operations() int { return v.Overwrites + v.Purges + v.Gets }

// Check goes through the history once, in order. It costs O(n log n). Nothing may
// be recorded meanwhile.
func (r *Recorder) Check() (*Verdict, error) {
	v := &Verdict{Purges: len(r.purges), Gets: len(r.gets)}
	for key, all := range r.overwrites {
		v.Overwrites += len(all)
		if err := rising(all); err != nil {
			return nil, fmt.Errorf("the history of %s is none: %w", key, err)
		}
	}
	begins := r.begins()
	for _, b := range begins {
		if b.node == everywhere {
			v.Complete++
		}
	}
	slices.SortFunc(r.gets, func(a, b Get) int { return cmp.Compare(a.Invoked, b.Invoked) })
	bindings := map[string]*binding{everywhere: newBinding()}
	for _, g := range r.gets {
		for len(begins) > 0 && begins[0].at < g.Invoked {
			b := begins[0]
			if bindings[b.node] == nil {
				bindings[b.node] = newBinding()
			}
			bindings[b.node].add(b.purge)
			begins = begins[1:]
		}
		r.judge(v, bindings, g)
	}
	return v, nil
}

// begin is that a purge binds a node from a moment on.
type begin struct {
	at    Moment
	node  string
	purge *Purge
}

// everywhere stands for all nodes.
const everywhere = ""

// begins returns from when on the purges bind, in order.
func (r *Recorder) begins() (all []begin) {
	for i := range r.purges {
		p := &r.purges[i]
		if p.Soft {
			continue
		}
		if p.Completed != 0 {
			all = append(all, begin{p.Completed, everywhere, p})
		}
		for _, s := range p.Seen {
			all = append(all, begin{s.At, s.Node, p})
		}
	}
	slices.SortFunc(all, func(a, b begin) int { return cmp.Compare(a.at, b.at) })
	return all
}

// rising reports why the changes of one key do not follow each other.
func rising(all []Overwrite) error {
	for i, o := range all {
		if o.Invoked == 0 || o.Completed <= o.Invoked || o.Version != i+1 {
			return fmt.Errorf("change %d: version %d, %d–%d", i, o.Version, o.Invoked, o.Completed)
		}
		if i > 0 && o.Invoked <= all[i-1].Completed {
			return fmt.Errorf("version %d begins at %d, before version %d has ended", o.Version, o.Invoked, i)
		}
	}
	return nil
}

// judge holds one answer to the rule.
func (r *Recorder) judge(v *Verdict, bindings map[string]*binding, g Get) {
	all := r.overwrites[g.Key]
	if g.Wrong != "" {
		v.Violations = append(v.Violations, Violation{Get: g, Why: g.Wrong})
		return
	}
	var tags []string
	if g.Version > 0 && g.Version <= len(all) {
		tags = all[g.Version-1].Tags
	}
	p := bindings[everywhere].over(g.Key, tags)
	if own := bindings[g.Node]; own != nil && g.Version != 0 {
		p = later(p, own.over(g.Key, tags))
	}
	oldest := 0 // the version that the purge demands; 0 while there was none
	if p != nil {
		oldest = versionAt(all, p.Invoked)
		v.Bound++
	}
	if oldest > 1 {
		v.Newer++
	}
	why := served(all, g, oldest)
	if why == "" {
		return
	}
	v.Violations = append(v.Violations, Violation{Get: g, Purge: p, Why: why})
}

// served reports what is wrong with the version of an answer that had to be
// oldest or newer; "" if nothing is.
func served(all []Overwrite, g Get, oldest int) string {
	newest := sort.Search(len(all), func(i int) bool { return all[i].Invoked > g.Completed })
	if g.Version != 0 {
		switch {
		case g.Version < 0 || g.Version > newest || all[g.Version-1].Deleted:
			return fmt.Sprintf("version %d was served, there had been %d", g.Version, newest)
		case g.Version < oldest:
			return fmt.Sprintf("version %d was served, version %d had been purged for", g.Version, oldest)
		}
		return ""
	}
	// Before its first version there was no object either.
	if oldest == 0 {
		return ""
	}
	for i := oldest - 1; i < newest; i++ {
		if all[i].Deleted {
			return ""
		}
	}
	return fmt.Sprintf("no object was found, of versions %d to %d none is a deletion", oldest, newest)
}

// versionAt returns the newest version that the origin certainly had at a moment;
// 0 if there was none.
func versionAt(all []Overwrite, at Moment) int {
	return sort.Search(len(all), func(i int) bool { return all[i].Completed > at })
}

// String shows a verdict on one line.
func (v *Verdict) String() string {
	return fmt.Sprintf("%d operations: %d overwrites, %d purges (%d complete and hard), %d answers (%d bound by a purge, %d with something older to serve); %d violations",
		v.Operations(), v.Overwrites, v.Purges, v.Complete, v.Gets, v.Bound, v.Newer, len(v.Violations))
}
