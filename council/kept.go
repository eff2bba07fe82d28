package council

import (
	"fmt"
	"slices"
	"sync"

	"rookery/purge"
)

// kept are the orders that wait for a quorum, on the disk and in memory.
type kept struct {
	disk Disk

	mu     sync.Mutex
	orders map[string]purge.Order
	ids    []string // in the order in which they came
}

// maxKept bounds how many orders wait. One that is refused was never promised.
const maxKept = 100_000

func openKept(d Disk) (*kept, error) {
	k := &kept{disk: d, orders: make(map[string]purge.Order)}
	keys := span(keptKeys)
	var broken error
	err := d.Scan(keys[0], keys[1], func(_, value []byte) bool {
		var orders []purge.Order
		orders, broken = decodeAny(value)
		for _, o := range orders {
			k.orders[o.ID] = o
			k.ids = append(k.ids, o.ID)
		}
		return broken == nil
	})
	if err == nil {
		err = broken
	}
	if err != nil {
		return nil, fmt.Errorf("read the purges that wait: %w", err)
	}
	return k, nil
}

// keep writes orders down. Those whose ids wait already must be the same.
func (k *kept) keep(orders []purge.Order) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var set [][2][]byte
	added := make(map[string]purge.Order)
	for i := range orders {
		o := &orders[i]
		old, ok := k.orders[o.ID]
		if !ok {
			old, ok = added[o.ID]
		}
		if ok {
			if sumOf(&old) != sumOf(o) {
				return ErrConflict
			}
			continue
		}
		set = append(set, pair(keptKeys+o.ID, encodeOrders(orders[i:i+1])))
		added[o.ID] = *o
	}
	if len(k.ids)+len(added) > maxKept {
		return fmt.Errorf("%d purges wait for a quorum already", len(k.ids))
	}
	if len(set) == 0 {
		return nil
	}
	if err := k.disk.Write(nil, set); err != nil {
		return fmt.Errorf("keep a purge: %w", err)
	}
	for _, o := range orders {
		if _, ok := k.orders[o.ID]; !ok {
			k.orders[o.ID] = o
			k.ids = append(k.ids, o.ID)
		}
	}
	return nil
}

// done forgets orders: the council has them.
func (k *kept) done(orders []purge.Order) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var drop [][2][]byte
	for _, o := range orders {
		if _, ok := k.orders[o.ID]; ok {
			key := []byte(keptKeys + o.ID)
			drop = append(drop, [2][]byte{key, append(slices.Clone(key), 0)})
		}
	}
	if len(drop) == 0 {
		return nil
	}
	if err := k.disk.Write(drop, nil); err != nil {
		return fmt.Errorf("forget a purge that waited: %w", err)
	}
	for _, o := range orders {
		delete(k.orders, o.ID)
	}
	k.ids = slices.DeleteFunc(k.ids, func(id string) bool { _, ok := k.orders[id]; return !ok })
	return nil
}

func (k *kept) find(id string) (purge.Order, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	o, ok := k.orders[id]
	return o, ok
}

// next returns the oldest orders, as many as fit into one entry.
func (k *kept) next() []purge.Order {
	k.mu.Lock()
	defer k.mu.Unlock()
	var all []purge.Order
	for _, id := range k.ids[:min(len(k.ids), maxEntryOrders)] {
		all = append(all, k.orders[id])
	}
	if len(all) == 0 {
		return nil
	}
	return batches(all)[0]
}

func (k *kept) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.ids)
}
