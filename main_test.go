package main

import (
	"os"
	"testing"

	"shitpost-alpha/readmodel/readmodeltest"
)

func TestMain(m *testing.M) {
	if isSoakChild() {
		os.Exit(soakChild())
	}
	os.Exit(readmodeltest.Main(m))
}
