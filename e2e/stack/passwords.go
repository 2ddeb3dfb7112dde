package stack

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
)

// newPassword returns 128 random bits as letters and digits, so that it needs no quoting in SQL, in
// a DSN or in a file.
func newPassword() string { return rand.Text() }

func shortHash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:6])
}
