package admin

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"rookery/object"
	"rookery/purge"
)

// purgeAsk is a purge as an operator asked for it.
type purgeAsk struct {
	order purge.Order
	wait  time.Duration
}

// purgeForm is the body of a purge. What is absent is nil: an empty value is a
// mistake, and never the wider scope without it.
type purgeForm struct {
	bucket, key, prefix, id, wait *string
	keys, tags                    *[]string
	all, soft                     *bool
}

func (h *handler) readPurge(w http.ResponseWriter, r *http.Request) (purgeAsk, error) {
	f, err := readFields(w, r)
	if err != nil {
		return purgeAsk{}, err
	}
	var form purgeForm
	err = errors.Join(
		f.read("bucket", &form.bucket), f.read("key", &form.key), f.read("keys", &form.keys),
		f.read("prefix", &form.prefix), f.read("tags", &form.tags), f.read("all", &form.all),
		f.read("id", &form.id), f.read("soft", &form.soft), f.read("wait", &form.wait), f.unknown(),
	)
	if err != nil {
		return purgeAsk{}, err
	}
	return h.ask(&form)
}

// readShortPurge reads the scope from the path, and id, soft and wait from the
// query. A body is refused: who sends one means what is in it.
func (h *handler) readShortPurge(r *http.Request) (purgeAsk, error) {
	if err := noBody(r); err != nil {
		return purgeAsk{}, fmt.Errorf("%w; a scope in JSON goes to %s", err, purgePath)
	}
	target := strings.TrimPrefix(r.URL.Path, purgePath+"/")
	if !utf8.ValidString(target) {
		return purgeAsk{}, errors.New("the path is not UTF-8")
	}
	var form purgeForm
	bucket, key, deeper := strings.Cut(target, "/")
	form.bucket = &bucket
	if deeper {
		form.key = &key
	}
	if err := form.readQuery(r.URL.RawQuery); err != nil {
		return purgeAsk{}, err
	}
	return h.ask(&form)
}

func (f *purgeForm) readQuery(raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return fmt.Errorf("malformed query: %w", err)
	}
	for name, all := range values {
		if len(all) > 1 {
			return fmt.Errorf("%s is given more than once", name)
		}
		value := all[0]
		switch name {
		case "id":
			f.id = &value
		case "wait":
			f.wait = &value
		case "soft":
			soft := value == "true"
			if !soft && value != "false" {
				return fmt.Errorf("soft must be true or false, not %q", value)
			}
			f.soft = &soft
		default:
			return fmt.Errorf("unknown parameter %q: this form takes id, soft and wait", name)
		}
	}
	return nil
}

// ask makes an order of a form.
func (h *handler) ask(f *purgeForm) (purgeAsk, error) {
	a := purgeAsk{wait: defaultWait}
	scopes, err := h.scopes(f)
	if err != nil {
		return a, err
	}
	a.order = purge.Order{ID: rand.Text(), Scopes: scopes, Soft: f.soft != nil && *f.soft}
	if f.id != nil {
		a.order.ID = *f.id
	}
	if f.wait != nil {
		a.wait, err = parseWait(*f.wait)
	}
	return a, err
}

// scopes returns what the form covers: exactly one scope, in a bucket of ours.
func (h *handler) scopes(f *purgeForm) ([]purge.Scope, error) {
	given := 0
	for _, one := range []bool{f.key != nil, f.keys != nil, f.prefix != nil, f.tags != nil, f.all != nil} {
		if one {
			given++
		}
	}
	switch {
	case given > 1:
		return nil, errors.New("two scopes: give one of key, keys, prefix, tags and all")
	case f.all != nil && f.bucket != nil:
		return nil, errors.New("two scopes: give bucket or all")
	case f.all != nil && !*f.all:
		return nil, errors.New("all must be true, or left out")
	case f.all != nil:
		return []purge.Scope{{Kind: purge.All}}, nil
	case f.bucket == nil:
		return nil, errors.New("no bucket given")
	case !h.Settings().buckets[*f.bucket]:
		return nil, fmt.Errorf("no bucket %q is configured on this node", *f.bucket)
	}
	return f.within(*f.bucket)
}

// within returns what the form covers in its bucket.
func (f *purgeForm) within(bucket string) ([]purge.Scope, error) {
	switch {
	case f.key != nil:
		return named(purge.Object, "key", bucket, []string{*f.key})
	case f.keys != nil:
		return named(purge.Object, "keys", bucket, *f.keys)
	case f.prefix != nil:
		return named(purge.Prefix, "prefix", bucket, []string{*f.prefix})
	case f.tags != nil:
		return named(purge.Tag, "tags", bucket, *f.tags)
	}
	return []purge.Scope{{Kind: purge.Bucket, Bucket: bucket}}, nil
}

// named makes a scope of each name.
func named(kind purge.Kind, field, bucket string, names []string) ([]purge.Scope, error) {
	if len(names) == 0 || len(names) > purge.MaxScopes {
		return nil, fmt.Errorf("%s has %d entries; it must have 1 to %d", field, len(names), purge.MaxScopes)
	}
	longest := object.MaxNameBytes
	if kind == purge.Tag {
		longest = purge.MaxTagBytes
	}
	scopes := make([]purge.Scope, len(names))
	for i, name := range names {
		switch {
		case name == "":
			return nil, fmt.Errorf("an empty name in %s: it would mean the whole bucket", field)
		case len(name) > longest:
			return nil, fmt.Errorf("a name in %s has %d bytes; %d are allowed", field, len(name), longest)
		case kind == purge.Tag && strings.ContainsAny(name, object.TagSeparators):
			return nil, fmt.Errorf("the tag %q has a space or a comma, which separate tags: it would match nothing", name)
		}
		scopes[i] = purge.Scope{Kind: kind, Bucket: bucket, Name: name}
	}
	return scopes, nil
}
