package council

// trim has the oldest floors of the bucket with the most of them forgotten, if all
// together are too many: half of that bucket's, so that it is not soon done again.
func (s *seat) trim() {
	state := s.c.o.State
	if state.AllFloors() <= s.c.o.MaxFloors {
		return
	}
	bucket, most := "", 0
	for _, b := range state.Buckets() {
		if n := state.Floors(b); n > most {
			bucket, most = b, n
		}
	}
	mark := state.MarkToKeep(bucket, most/2)
	if mark == 0 {
		return
	}
	if _, _, err := s.apply(s.ctx, encodeTrim(bucket, mark)); err != nil {
		s.c.o.Log.Debug("floors cannot be trimmed now", "bucket", bucket, "error", err)
		return
	}
	s.c.o.Log.Info("old floors of a bucket are forgotten: what is older is confirmed by S3 first",
		"bucket", bucket, "floors", most, "left", state.Floors(bucket))
}
