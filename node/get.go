package node

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"rookery/object"
)

// errClosed is no answer of S3: who asked this node may ask another.
var errClosed = fmt.Errorf("node is closed: %w", object.ErrUnreachable)

// opened is a GET in progress and how to end it.
type opened struct {
	*object.Fetched
	cancel func()
}

func (o *opened) close() {
	o.Body.Close()
	o.cancel()
}

// endWith ends the GET when ctx does.
func (o *opened) endWith(ctx context.Context) {
	cancel := o.cancel
	stop := context.AfterFunc(ctx, cancel)
	o.cancel = func() {
		stop()
		cancel()
	}
}

// get starts one GET at a bucket's S3, which ends with ctx or with the node.
func (n *Node) get(ctx context.Context, of *bucket, fetch object.Fetch) (*opened, error) {
	own, cancel := context.WithCancel(n.ctx)
	o := &opened{cancel: cancel}
	o.endWith(ctx)
	var err error
	of.retries.budget.asked()
	if o.Fetched, err = of.Origin.Get(own, fetch); err != nil {
		o.cancel()
		return nil, err
	}
	return o, nil
}

// getWhole starts a GET of whatever version is current. Its Info names it. With held
// it is a conditional one, and *object.NotModified where S3 has that version still.
func (n *Node) getWhole(ctx context.Context, of *bucket, key object.Key, held *object.Info) (*opened, error) {
	fetch := object.Fetch{Key: key}
	if held != nil {
		fetch.IfNoneMatch = held.ETag
	}
	o, err := n.get(ctx, of, fetch)
	if err != nil {
		return nil, err
	}
	info := o.Info
	if info == nil || o.Offset != 0 || o.Length != info.Size || o.Size != info.Size {
		o.close()
		return nil, object.ErrBroken
	}
	if !info.Strong() {
		info.Version = object.OnlyVersion()
	}
	return o, nil
}

// getPart starts a GET of [fetch.From, fetch.To) of the version that pin names.
// It is ErrGone when S3 has no such object, has it in another size, or no byte
// where the version has some: what it has is another version.
func (n *Node) getPart(ctx context.Context, of *bucket, fetch object.Fetch, pin object.Pin) (*opened, error) {
	if pin.Strong() {
		fetch.IfMatch = pin.ETag
	}
	o, err := n.get(ctx, of, fetch)
	var refused *object.OriginError
	switch {
	case errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusRequestedRangeNotSatisfiable):
		return nil, fmt.Errorf("%w: %w", object.ErrGone, err)
	case err != nil:
		return nil, err
	case o.Size != pin.Size || o.ETag != pin.ETag:
		o.close()
		return nil, fmt.Errorf("%w: %d bytes of %s in place of %d of %s", object.ErrGone, o.Size, o.ETag, pin.Size, pin.ETag)
	case o.Offset != fetch.From || o.Length != fetch.To-fetch.From:
		o.close()
		return nil, object.ErrBroken
	}
	return o, nil
}

// temporary reports whether the same request may fare better the next time.
func temporary(err error) bool {
	if errors.Is(err, object.ErrGone) || errors.Is(err, object.ErrBroken) {
		return false
	}
	var origin *object.OriginError
	return !errors.As(err, &origin) || origin.Temporary()
}

// asOrigin gives an error of the network the shape of an answer S3 never gave.
func asOrigin(err error) error {
	var origin *object.OriginError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &origin), errors.Is(err, object.ErrGone), errors.Is(err, object.ErrBroken), errors.Is(err, errClosed):
		return err
	case errors.Is(err, context.Canceled):
		return errClosed // fetches run on the node's context
	case errors.Is(err, context.DeadlineExceeded):
		return &object.OriginError{Status: 504, Message: err.Error()}
	}
	return &object.OriginError{Status: 502, Message: err.Error()}
}
