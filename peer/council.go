package peer

import (
	"context"
	"crypto/tls"
	"net"
)

// DialCouncil connects to another node's peer listener to speak the council's
// protocol. The certificate of the other side names exactly that node. Whoever
// calls closes the connection; ctx bounds connecting and the handshake alone.
func DialCouncil(ctx context.Context, id *Identity, node, address string) (net.Conn, error) {
	d := tls.Dialer{Config: id.clientTLS(node, councilALPN)}
	return d.DialContext(ctx, "tcp", address)
}
