package lake

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"shitpost-alpha/lake/delta"
	"shitpost-alpha/lake/event"
	"shitpost-alpha/lake/objects"
)

// footerOf splits a Parquet file into its pages and its footer. The file ends with the footer, the
// footer's length in 4 bytes, little-endian, and PAR1 (Apache Parquet, "File format").
func footerOf(t testing.TB, file []byte) (pages, footer []byte) {
	t.Helper()
	end := len(file) - 8
	start := end - int(binary.LittleEndian.Uint32(file[end:]))
	if start < 4 || start > end {
		t.Fatalf("a file of %d bytes has its footer at %d", len(file), start)
	}
	return file[:start], file[start:end]
}

func withFooter(pages, footer []byte) []byte {
	file := append(append([]byte{}, pages...), footer...)
	file = binary.LittleEndian.AppendUint32(file, uint32(len(footer)))
	return append(file, "PAR1"...)
}

// FuzzParquetFooter mutates the footer alone, in a file that is otherwise well formed: so the fuzzer
// gets past its ends, which whole files that are mutated seldom do.
func FuzzParquetFooter(f *testing.F) {
	var pages [][]byte
	files, err := filepath.Glob("testdata/*-v1.parquet")
	if err != nil || len(files) != 3 {
		f.Fatalf("frozen files %q, %v; want three", files, err)
	}
	for i, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		p, footer := footerOf(f, data)
		pages = append(pages, p)
		f.Add(uint8(i), footer)
		f.Add(uint8(i+1), footer) // the footer of one stream over the pages of another
		f.Add(uint8(i), footer[:len(footer)/2])
	}
	f.Fuzz(func(t *testing.T, which uint8, footer []byte) {
		data := withFooter(pages[int(which)%len(pages)], footer)
		_, _ = decode[event.Post](data) // none may panic
		_, _ = decode[event.Prediction](data)
		_, _ = decode[event.Price](data)
	})
}

// FuzzLogEntry lets a stream read a version that says anything at all.
func FuzzLogEntry(f *testing.F) {
	var base objects.Memory
	if _, err := open(f, &base).Prices.Append(f.Context(), -1, benchBars(3)); err != nil {
		f.Fatal(err)
	}
	entry := func(version int64) []byte {
		data, _, err := base.Get(f.Context(), delta.CommitKey(event.Prices, version))
		if err != nil {
			f.Fatal(err)
		}
		return data
	}
	created, written := entry(0), entry(1)
	f.Add(written)
	f.Add(created)
	f.Add(written[:len(written)/2])
	f.Add([]byte(`{"add":{"path":"x.parquet","size":-1,"dataChange":true,"stats":"{\"numRecords\":-5}","tags":{"newestRecordedAt":"9223372036854775807","sha256":""}}}`))
	f.Add([]byte(`{"remove":{"path":"x"}}` + "\n" + `{"txn":{"appId":"","version":-1}}` + "\n" + `{"metaData":{"schemaString":"[]"}}`))
	f.Add([]byte(`{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}` + "\n" + `{"metaData":null}` + "\n" + `{"add":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		store := &objects.Memory{}
		for version, body := range [][]byte{created, data} {
			if _, err := store.Put(t.Context(), delta.CommitKey(event.Prices, int64(version)), body, objects.Always()); err != nil {
				t.Fatal(err)
			}
		}
		l := open(t, store)
		_, _ = Follow(l.Prices, View[event.Price](&collector{})).CatchUp(t.Context()) // none may panic
		_ = NewRecorder(l.Prices, nil).CatchUp(t.Context())
		_, _ = l.Prices.Stat(t.Context(), -1)
		_, _ = l.Prices.Verify(t.Context(), nil)
		_, _ = l.Prices.Append(t.Context(), 1, benchBars(1))
	})
}
