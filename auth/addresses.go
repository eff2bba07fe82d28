package auth

import (
	"context"
	"fmt"
	"net/netip"
)

// WrongAddress is the reason where the client may not come from where it does, or a signed URL is for another.
const WrongAddress = "address"

// Addresses is a Rule about where requests come from. An address that is blocked is
// refused, allowed or not; where any are allowed, all others are refused. Who cannot be
// told an address is refused. A nil one refuses nobody.
type Addresses struct{ allow, block *Networks }

// NewAddresses returns nil if both lists are empty.
func NewAddresses(allow, block []netip.Prefix) *Addresses {
	if len(allow)+len(block) == 0 {
		return nil
	}
	return &Addresses{allow: NewNetworks(allow), block: NewNetworks(block)}
}

// Allow is a Rule's; it does not care who sent the request.
func (a *Addresses) Allow(_ context.Context, r *Request, _ *Identity) error {
	switch {
	case a == nil:
		return nil
	case !r.Remote.IsValid():
		return &Denied{Reason: WrongAddress, Err: fmt.Errorf("the client's address is not known")}
	case a.block.Contains(r.Remote), a.allow != nil && !a.allow.Contains(r.Remote):
		return &Denied{Reason: WrongAddress, Err: fmt.Errorf("%s may not come in", r.Remote)}
	}
	return nil
}
