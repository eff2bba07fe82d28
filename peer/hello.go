package peer

import (
	"encoding/binary"
	"fmt"

	"rookery/object"
)

// hello is what either side says of itself before anything else. Its layout
// never changes: later protocols append fields, and readers ignore what they do
// not know, so that nodes of any age can tell each other why they do not fit.
type hello struct {
	protocol, minProtocol uint16
	council               [16]byte // zero: no council has been heard from
	name                  string
	want                  string // the node that the client means to talk to
	fingerprint           string // of the ring's fixed parameters
}

const (
	helloMagic          = "RKRY"
	maxNameBytes        = 253 // a DNS name, as the certificate carries it
	maxFingerprintBytes = 256
)

func (h *hello) append(dst []byte) []byte {
	dst = append(dst, helloMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, h.protocol)
	dst = binary.LittleEndian.AppendUint16(dst, h.minProtocol)
	dst = append(dst, h.council[:]...)
	dst = appendBytes(dst, h.name)
	dst = appendBytes(dst, h.want)
	return appendBytes(dst, cut(h.fingerprint, maxFingerprintBytes))
}

func decodeHello(b []byte) (hello, error) {
	f := fields{b: b}
	if string(f.take(len(helloMagic))) != helloMagic {
		return hello{}, fmt.Errorf("%w: no hello", errFrame)
	}
	h := hello{protocol: f.u16(), minProtocol: f.u16(), council: f.id()}
	h.name, h.want = f.str(maxNameBytes), f.str(maxNameBytes)
	h.fingerprint = f.str(maxFingerprintBytes)
	if f.bad {
		return hello{}, fmt.Errorf("%w: hello", errFrame)
	}
	return h, nil
}

// appendWelcome writes the server's answer to a hello.
func appendWelcome(dst []byte, why reason, self *hello) []byte {
	return self.append(append(dst, byte(why)))
}

func decodeWelcome(b []byte) (reason, hello, error) {
	f := fields{b: b}
	why := reason(f.u8())
	h, err := decodeHello(f.b)
	return why, h, err
}

// reason says why one node does not read with another; its numbers travel.
type reason uint8

const (
	accepted reason = iota
	refusedMalformed
	refusedProtocol
	refusedName        // the certificate does not name who the hello says it is
	refusedWrongNode   // the client wanted another node: a reused address answers for nobody
	refusedStranger    // the client is no member
	refusedFingerprint // the rings differ
	refusedCertificate // no trust; never sent, for without trust there is no hello
	refusedCouncil     // they belong to two councils, whose purges know nothing of each other
	reasons
)

// reasonNames are the values of the metrics' label and the words of the log.
var reasonNames = [reasons]string{
	"none", "malformed", "protocol", "name", "wrong_node", "not_a_member", "fingerprint", "certificate", "council",
}

func (r reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return "unknown"
}

// judge says whether a node with the hello self may read with one that said
// other. Both sides ask it.
func judge(self, other *hello) reason {
	switch {
	case min(self.protocol, other.protocol) < max(self.minProtocol, other.minProtocol):
		return refusedProtocol
	case other.fingerprint != self.fingerprint:
		return refusedFingerprint
	case self.council != other.council && self.council != none && other.council != none:
		return refusedCouncil
	}
	return accepted
}

// none is the council of a node that has heard from none.
var none [16]byte

func orNone(council func() [16]byte) func() [16]byte {
	if council == nil {
		return func() [16]byte { return none }
	}
	return council
}

// refusal is the error of a node that could be reached but not read from.
type refusal struct{ why reason }

func (r *refusal) Error() string { return "refused: " + r.why.String() }

// Unwrap makes a refusal an object.ErrUnreachable: the asker goes elsewhere.
func (r *refusal) Unwrap() error { return object.ErrUnreachable }
