package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong in a configuration, and where.
type Error struct {
	File         string
	Line, Column int // from 1; columns count characters
	Message      string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Errors is everything that is wrong in one file, in the order of its lines.
// Its text has one line for each.
type Errors []*Error

func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.As every single Error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// Warning is a key that is accepted and has no effect, and why. It prints as
// file:line:column: message.
type Warning Error

func (w Warning) String() string { return (*Error)(&w).Error() }

// position is a place in the file, from 1.
type position struct{ line, column int }

// findings collects errors and warnings of one file while it is read.
type findings struct {
	file     string
	errors   Errors
	warnings []Warning
}

func (f *findings) fail(at position, format string, args ...any) {
	f.errors = append(f.errors, f.at(at, format, args...))
}

func (f *findings) warn(at position, format string, args ...any) {
	f.warnings = append(f.warnings, Warning(*f.at(at, format, args...)))
}

func (f *findings) at(at position, format string, args ...any) *Error {
	return &Error{File: f.file, Line: at.line, Column: at.column, Message: fmt.Sprintf(format, args...)}
}

// sorted puts everything into the order of the file's lines, and says once what
// was found twice (a value may be looked at more than once).
func (f *findings) sorted() (Errors, []Warning) {
	byPlace := func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	}
	slices.SortStableFunc(f.errors, byPlace)
	slices.SortStableFunc(f.warnings, func(a, b Warning) int { return byPlace((*Error)(&a), (*Error)(&b)) })
	f.errors = slices.CompactFunc(f.errors, func(a, b *Error) bool { return *a == *b })
	return f.errors, slices.Compact(f.warnings)
}
