package admin

import (
	"errors"
	"net/http"
)

// Reloaded is the answer of POST /admin/reload.
type Reloaded struct {
	// Generation counts the configurations that the node has had; it starts with 1.
	Generation uint64 `json:"generation"`
	// Changed are the keys that are different now, without their values.
	Changed []string `json:"changed"`
}

// ErrReloading says that another reload is under way.
var ErrReloading = errors.New("another reload is under way")

// reload answers POST /admin/reload: 200 when the configuration is in use, 422 when it
// is refused, and nothing has changed.
func (h *handler) reload(w http.ResponseWriter, r *http.Request) {
	if err := errors.Join(noQuery(r), noBody(r)); err != nil {
		badRequest(w, err)
		return
	}
	if h.Reload == nil {
		refuse(w, http.StatusServiceUnavailable, codeUnavailable, "this node has no file to take anew")
		return
	}
	done, err := h.Reload(r.Context())
	switch {
	case errors.Is(err, ErrReloading):
		writeError(w, http.StatusConflict, codeReloading, err.Error())
	case err != nil:
		writeError(w, http.StatusUnprocessableEntity, codeRefused, err.Error())
	default:
		done.Changed = listed(done.Changed)
		writeJSON(w, http.StatusOK, done)
	}
}
