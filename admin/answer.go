package admin

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// The codes of error answers. Machines may compare them; messages may change.
const (
	codeNotFound         = "not_found"
	codeMethodNotAllowed = "method_not_allowed"
	codeBadRequest       = "bad_request"
	codeUnauthorized     = "unauthorized"
	codeNotConfigured    = "token_not_configured"
	codeNotHeld          = "not_held"
	codeTooLarge         = "too_large"
	codeConflict         = "id_conflict"
	codeUnknownPurge     = "unknown_purge"
	codeUnknownMember    = "unknown_member"
	codeMemberAlive      = "member_alive"
	codeCouncilAlive     = "council_alive"
	codeNoCouncil        = "no_council"
	codeUnavailable      = "unavailable"
	codeReloading        = "reload_under_way"
	codeRefused          = "configuration_refused"
	codeInternal         = "internal"
)

// Failure is the body of every answer that is an error.
type Failure struct {
	Error FailureDetail `json:"error"`
}

// FailureDetail says what went wrong, for machines and for people.
type FailureDetail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, Failure{Error: FailureDetail{Code: code, Message: message}})
}

// writeJSON answers with v. It encodes before it writes, so that an answer is
// either whole or an error.
func writeJSON(w http.ResponseWriter, status int, v any) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false) // object names with & and < stay readable
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		writeError(w, http.StatusInternalServerError, codeInternal, "cannot encode the answer: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // fails only when the operator has gone
}
