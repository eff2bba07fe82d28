package origin

// Counts returns how many requests the client has sent since it was made, and
// how many bytes of bodies it has received.
func (c *Client) Counts() (requests, bytes uint64) {
	for _, byOutcome := range c.count.requests {
		for _, n := range byOutcome {
			requests += n.Get()
		}
	}
	return requests, c.count.bytes.Get()
}
