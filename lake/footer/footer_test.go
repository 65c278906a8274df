package footer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/parquet-go/parquet-go"
)

func frozen(t testing.TB) [][]byte {
	t.Helper()
	names, err := filepath.Glob("../testdata/*-v1.parquet")
	if err != nil || len(names) != 3 {
		t.Fatalf("frozen files %q, %v; want three", names, err)
	}
	var files [][]byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, data)
	}
	return files
}

func TestGoodFilesPass(t *testing.T) {
	var empty bytes.Buffer
	if err := parquet.Write[struct{ A []string }](&empty, nil, parquet.KeyValueMetadata("k", "v")); err != nil {
		t.Fatal(err)
	}
	for i, file := range append(frozen(t), empty.Bytes()) {
		if err := Check(file); err != nil {
			t.Errorf("file %d: %v", i, err)
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	file := frozen(t)[0]
	end := len(file) - 8
	long := bytes.Clone(file)
	binary.LittleEndian.PutUint32(long[end:], 1<<31)
	for name, data := range map[string][]byte{
		"empty": nil, "short": []byte("PAR1"), "cut": file[:len(file)-1], "headless": file[4:], "length": long,
		"half the footer": append(bytes.Clone(file[:end-200]), file[end:]...),
	} {
		if err := Check(data); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, footer := range map[string][]byte{
		"a list of 4 billion structs": {0x29, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0},
		"a string longer than all":    {0x18, 0x7f, 'x', 0},
		"lists in lists without end":  bytes.Repeat([]byte{0x19, 0x19}, 1000),
		"structs without end":         bytes.Repeat([]byte{0x1c}, 1000),
		"an unknown type":             {0x1f, 0},
		"no end":                      {0x15, 2},
	} {
		if err := CheckStruct(footer); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzCheck: what passes can be opened by the library in memory bounded by the file's size.
func FuzzCheck(f *testing.F) {
	for _, file := range frozen(f) {
		end := len(file) - 8
		f.Add(file[end-int(binary.LittleEndian.Uint32(file[end:])) : end])
	}
	f.Fuzz(func(t *testing.T, footer []byte) {
		if CheckStruct(footer) != nil {
			return
		}
		file := append([]byte(magic), footer...)
		file = append(binary.LittleEndian.AppendUint32(file, uint32(len(footer))), magic...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		func() {
			defer func() { _ = recover() }() // a panic can be borne, running out of memory cannot
			_, _ = parquet.OpenFile(bytes.NewReader(file), int64(len(file)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
		}()
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20+10_000*uint64(len(file)) {
			t.Errorf("a file of %d bytes asked for %d", len(file), used)
		}
	})
}
