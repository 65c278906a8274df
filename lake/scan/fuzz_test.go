package scan

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"shitpost-alpha/lake"
	"shitpost-alpha/lake/objects"
)

// memoryFile is a data file in memory.
type memoryFile struct{ *bytes.Reader }

func (memoryFile) Close() error { return nil }

// FuzzOpenFile: whatever a file holds, reading it ends, with rows or an error, and does not panic.
func FuzzOpenFile(f *testing.F) {
	dir := f.TempDir()
	snap := barsOf(f, open(f, objects.NewFolder(dir)), 20, 1)
	whole, err := os.ReadFile(filepath.Join(dir, "prices", snap.Files[0].Path))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte("PAR1PAR1PAR1"))
	schema := plan(f, snap, Options{}).Schema()
	f.Fuzz(func(t *testing.T, data []byte) {
		var in lake.DataFile = memoryFile{bytes.NewReader(data)}
		r, err := openFile(t.Context(), in, schema, batchBytes)
		if err != nil {
			return
		}
		defer r.Release()
		for {
			rec, err := r.next()
			if err != nil || rec == nil {
				return
			}
			rec.Release()
		}
	})
}
