package council

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"rookery/purge"
)

// The kinds of entries in the log. The numbers and layouts are on disks and on
// the wire: a new kind gets a new number, and a node passes over one that it does
// not know.
const (
	entryPurges = 1 // orders under one number, all hard or all soft
	entryTick   = 2 // the lease's length
	entryTrim   = 3 // a bucket's floors up to a mark are forgotten
)

var errEntry = errors.New("malformed entry")

// encodeOrders encodes orders, which are all soft or all not.
func encodeOrders(orders []purge.Order) []byte {
	b := []byte{entryPurges, 0}
	if len(orders) > 0 && orders[0].Soft {
		b[1] = 1
	}
	b = binary.AppendUvarint(b, uint64(len(orders)))
	for i := range orders {
		b = appendText(b, orders[i].ID)
		b = appendScopes(b, orders[i].Scopes)
	}
	return b
}

// appendScopes is also what two orders under one id are compared by.
func appendScopes(b []byte, scopes []purge.Scope) []byte {
	b = binary.AppendUvarint(b, uint64(len(scopes)))
	for _, s := range scopes {
		b = append(b, byte(s.Kind))
		b = appendText(b, s.Bucket)
		b = appendText(b, s.Name)
	}
	return b
}

func encodeTick(lease time.Duration) []byte {
	return binary.LittleEndian.AppendUint64([]byte{entryTick}, uint64(lease))
}

func encodeTrim(bucket string, mark uint64) []byte {
	return appendText(binary.LittleEndian.AppendUint64([]byte{entryTrim}, mark), bucket)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// reader takes an entry apart. After the first field that is not there all are
// empty, and bad is set.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); len(b) == 8 {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

// count reads a number of things of which each takes at least one byte.
func (r *reader) count() int {
	n, size := binary.Uvarint(r.b)
	if r.bad || size <= 0 || n > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	r.b = r.b[size:]
	return int(n)
}

func (r *reader) text() string { return string(r.take(uint64(r.count()))) }

func (r *reader) err() error {
	if r.bad || len(r.b) > 0 {
		return errEntry
	}
	return nil
}

// decodeOrders decodes what follows the kind of an entry of orders.
func decodeOrders(b []byte) ([]purge.Order, error) {
	r := reader{b: b}
	soft := r.byte() == 1
	orders := make([]purge.Order, 0, r.count())
	for range cap(orders) {
		o := purge.Order{ID: r.text(), Soft: soft}
		o.Scopes = make([]purge.Scope, 0, r.count())
		for range cap(o.Scopes) {
			o.Scopes = append(o.Scopes, purge.Scope{Kind: purge.Kind(r.byte()), Bucket: r.text(), Name: r.text()})
		}
		if r.bad {
			break
		}
		orders = append(orders, o)
	}
	if err := r.err(); err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	return orders, nil
}

// decodeAny decodes an entry of orders with its kind, which others sent.
func decodeAny(b []byte) ([]purge.Order, error) {
	if len(b) == 0 || b[0] != entryPurges {
		return nil, errEntry
	}
	orders, err := decodeOrders(b[1:])
	if err != nil {
		return nil, err
	}
	for i := range orders {
		if err := orders[i].Check(); err != nil {
			return nil, err
		}
	}
	return orders, nil
}

// Bounds of one entry: what fits goes in together.
const (
	maxEntryOrders = 1000
	maxEntryBytes  = 256 << 10
)

// sizeOf bounds what an order adds to an entry.
func sizeOf(o *purge.Order) int {
	size := len(o.ID) + 8
	for _, s := range o.Scopes {
		size += len(s.Bucket) + len(s.Name) + 8
	}
	return size
}

// batches cuts orders into runs that are all hard or all soft and fit into one
// entry each, in their order.
func batches(orders []purge.Order) [][]purge.Order {
	var cut [][]purge.Order
	for start := 0; start < len(orders); {
		end, size := start, 0
		for end < len(orders) && orders[end].Soft == orders[start].Soft && end-start < maxEntryOrders {
			size += sizeOf(&orders[end])
			if size > maxEntryBytes && end > start {
				break
			}
			end++
		}
		cut = append(cut, orders[start:end])
		start = end
	}
	return cut
}
