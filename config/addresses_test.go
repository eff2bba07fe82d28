package config

import (
	"net/netip"
	"reflect"
	"testing"
)

func TestNetworksOfClients(t *testing.T) {
	const text = `
server:
  trusted_proxies: [10.0.0.0/8, "::1"]
  ip_filter: {allowlist: ["::ffff:192.0.2.0/120", 198.51.100.7], blocklist: ["2001:db8::/32"]}
buckets:
- {name: b, s3: {bucket: o}, ip_filter: {allowlist: [], blocklist: [0.0.0.0/0]}}
`
	c := mustParse(t, text, environment())
	list := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	got := []any{c.Server.TrustedProxies, c.Server.IPFilter, c.Buckets[0].IPFilter}
	want := []any{
		list("10.0.0.0/8", "::1/128"),
		IPFilter{Allow: list("192.0.2.0/24", "198.51.100.7/32"), Block: list("2001:db8::/32")},
		IPFilter{Block: list("0.0.0.0/0")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	again, _, err := parse("again", c.Effective(), environment(), thisHost)
	if err != nil || !reflect.DeepEqual(again, c) {
		t.Errorf("%v\n%s", err, c.Effective())
	}
}
