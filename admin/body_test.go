package admin

import "testing"

// Only halves are refused: what has both, and what merely looks like one, is text.
func TestHalfPair(t *testing.T) {
	for text, half := range map[string]bool{
		`{"a":"b"}`: false, `"\ud83d\udc26"`: false, `"\uD83D\uDC26\ud83d\udc26"`: false, `"\\ud83d"`: false, `"\\\\udc26x"`: false, `"\u00e9\n\""`: false,
		`"\ue000\ud7ff"`: false, `"\"`: false, `"\u"`: false, `"\ud8"`: false,
		`"\ud83d"`: true, `"\udc26"`: true, `"\udc26\ud83d"`: true, `"\ud83d \udc26"`: true, `"\ud83d\ud83d\udc26"`: true, `"\ud83d\u00e9"`: true,
		`"\ud83d\n"`: true, `"\\\ud83d"`: true, `"\ud83d\udc26\udc26"`: true, `["\ud83d","\udc26"]`: true, `"\ud83d`: true,
	} {
		if got := halfPair([]byte(text)); got != half {
			t.Errorf("%s: %t", text, got)
		}
	}
}
