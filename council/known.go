package council

import "rookery/purge"

// maxKnown bounds how many purges are known by their ids. It is the same on every
// node, for what an id means is decided by each of them.
const maxKnown = 10_000

// maxOrderBytes bounds the content that is kept of the purges known.
const maxOrderBytes = 8 << 20

// known are the newest purges, by their ids.
type known struct {
	byID  map[string]knownOrder
	ids   []string // oldest first
	bytes int      // of the contents kept
	shed  int      // how many of ids, from the oldest, have lost their content
}

type knownOrder struct {
	number uint64
	sum    [16]byte
	soft   bool
	scopes []purge.Scope // nil once it is shed, or came with a snapshot
}

// add takes an order in, and returns the first one with its id.
func (k *known) add(o *purge.Order, number uint64) knownOrder {
	if first, ok := k.byID[o.ID]; ok {
		return first
	}
	first := knownOrder{number: number, sum: sumOf(o), soft: o.Soft, scopes: o.Scopes}
	k.put(o.ID, first)
	return first
}

// put adds an order that is not known yet, and lets go of what is too much.
func (k *known) put(id string, o knownOrder) {
	if k.byID == nil {
		k.byID = make(map[string]knownOrder)
	}
	k.byID[id] = o
	k.ids = append(k.ids, id)
	k.bytes += sizeOf(&purge.Order{ID: id, Scopes: o.scopes})
	for k.bytes > maxOrderBytes || len(k.ids)-k.shed > maxKnown {
		oldest := k.byID[k.ids[k.shed]]
		k.bytes -= sizeOf(&purge.Order{ID: k.ids[k.shed], Scopes: oldest.scopes})
		oldest.scopes = nil
		k.byID[k.ids[k.shed]] = oldest
		k.shed++
	}
	for len(k.ids) > maxKnown {
		delete(k.byID, k.ids[0])
		k.ids = k.ids[1:]
		k.shed--
	}
}

func (k *known) find(id string) (knownOrder, bool) {
	o, ok := k.byID[id]
	return o, ok
}
