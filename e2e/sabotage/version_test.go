package main

import (
	"testing"

	"settlement/e2e/cases"
	"settlement/e2e/overlay"
)

func TestEveryEditFitsTheSource(t *testing.T) {
	root, err := overlay.Root(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions() {
		if _, err := overlay.Apply(root, v.Edits); err != nil {
			t.Errorf("version %s: %v", v.Name, err)
		}
		if _, err := cases.Named(v.Cases...); err != nil || len(v.Cases) == 0 || len(v.By) == 0 {
			t.Errorf("version %s: cases %v, to be caught by %v: %v", v.Name, v.Cases, v.By, err)
		}
	}
}
