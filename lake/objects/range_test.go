package objects_test

import (
	"testing"

	"shitpost-alpha/lake/objects"
	"shitpost-alpha/lake/objects/objectstest"
)

func TestRanges(t *testing.T) {
	objectstest.Ranges(t, objects.NewFolder(t.TempDir()))
	objectstest.Ranges(t, &objects.Memory{})
}
