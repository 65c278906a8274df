package objects_test

import (
	"testing"

	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/objectstest"
)

func TestFolder(t *testing.T) {
	objectstest.Test(t, func(t *testing.T) objects.Store { return objects.NewFolder(t.TempDir()) })
}

func TestMemory(t *testing.T) {
	objectstest.Test(t, func(*testing.T) objects.Store { return &objects.Memory{} })
}
