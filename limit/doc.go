// Package limit counts what clients ask for and get against the rates that they may:
// of all together, of each address, and of each subject.
//
// It owns the buckets of tokens and the sliding windows, and the bound on how many
// clients are told apart. It refuses at once and never makes anybody wait. Forgetting
// a client never gives it more than its rate: only who could use all of it anyway is
// forgotten, and who comes when no more can be told apart shares what is left for
// such. It imports no other room.
package limit
