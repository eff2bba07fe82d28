// Package config reads a node's configuration: one YAML file becomes one
// Config of plain, checked values with every default filled in.
//
// It owns the names, units, defaults and rules of every key, and says of each
// mistake where it is (file:line:column). A file that asks for what this
// version cannot do is refused: nothing asked for is ever left out in silence.
//
// It refuses to act: it opens no socket, creates no directory, reads no file but
// the one it is given, and knows no other room. It never substitutes in text:
// ${NAME} is replaced inside scalars that are already parsed, so no value of the
// environment can become a key.
package config
