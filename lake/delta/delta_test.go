package delta

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"shitpost-alpha/lake/objects"
)

func create(txn string) []Action {
	return []Action{
		{CommitInfo: &CommitInfo{TxnID: txn, Operation: "CREATE TABLE", OperationParameters: map[string]any{}}},
		{Protocol: &Protocol{MinReaderVersion: 1, MinWriterVersion: 2}},
		{MetaData: &MetaData{ID: "table-1", Format: Format{"parquet", map[string]string{}}, SchemaString: `{"type":"struct","fields":[]}`, PartitionColumns: []string{}, Configuration: map[string]string{}}},
	}
}

func add(txn, path string) []Action {
	return []Action{
		{CommitInfo: &CommitInfo{TxnID: txn, Operation: "WRITE", OperationParameters: map[string]any{}}},
		{Add: &Add{Path: path, PartitionValues: map[string]string{}, Size: 1, DataChange: true, Tags: map[string]string{"n": "7"}}},
	}
}

func TestCommitAndFold(t *testing.T) {
	ctx := t.Context()
	store := &objects.Memory{}
	table := NewTable(store, "posts")
	if v, err := table.Refresh(ctx); v != -1 || err != nil {
		t.Fatalf("refresh of nothing: %d, %v", v, err)
	}
	if err := table.Commit(ctx, 0, create("a")); err != nil {
		t.Fatal(err)
	}
	for i := int64(1); i <= 40; i++ {
		if err := table.Commit(ctx, i, add(fmt.Sprint("t", i), fmt.Sprintf("f%d.parquet", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Commit(ctx, 41, []Action{
		{CommitInfo: &CommitInfo{TxnID: "c"}},
		{Remove: &Remove{Path: "f1.parquet"}}, {Remove: &Remove{Path: "f2.parquet"}}, {Add: &Add{Path: "big.parquet"}}, {},
	}); err != nil {
		t.Fatal(err)
	}
	for name, tb := range map[string]*Table{"the writer's": table, "a fresh": NewTable(store, "posts")} {
		st, err := tb.At(ctx, -1)
		if err != nil || st.Version != 41 || len(st.Files) != 39 || st.MetaData.ID != "table-1" || st.TagMax["n"] != 7 {
			t.Errorf("%s state: %+v, %v", name, st, err)
		}
		old, err := tb.At(ctx, 2)
		if err != nil || old.Version != 2 || len(old.Files) != 2 {
			t.Errorf("%s state at 2: %+v, %v", name, old, err)
		}
		if _, err := tb.At(ctx, 42); !errors.Is(err, ErrNoVersion) {
			t.Errorf("%s state at 42: %v", name, err)
		}
	}
}

func TestGapHidesWhatFollows(t *testing.T) {
	ctx := t.Context()
	store := &objects.Memory{}
	table := NewTable(store, "t")
	for v, actions := range map[int64][]Action{0: create("a"), 1: add("b", "x"), 3: add("d", "z")} {
		if err := NewTable(store, "t").Commit(ctx, v, actions); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := table.Refresh(ctx); v != 1 || err != nil {
		t.Errorf("head = %d, %v; version 3 behind a gap must not count", v, err)
	}
}

// lossy is a store whose puts can lose the reply or the request.
type lossy struct {
	objects.Memory
	mu   sync.Mutex
	lose []string // what happens to the next puts: "reply", "request" or ""
}

var errLost = errors.New("connection reset")

func (l *lossy) Put(ctx context.Context, key string, data []byte, c objects.Condition) (objects.Info, error) {
	l.mu.Lock()
	what := ""
	if len(l.lose) > 0 {
		what, l.lose = l.lose[0], l.lose[1:]
	}
	l.mu.Unlock()
	if what == "request" {
		return objects.Info{}, errLost
	}
	info, err := l.Memory.Put(ctx, key, data, c)
	if what == "reply" {
		return objects.Info{}, errLost
	}
	return info, err
}

func TestLostRepliesAndRequests(t *testing.T) {
	for _, c := range []struct {
		name  string
		lose  []string
		other bool // another writer takes the version first
		want  error
	}{
		{"reply lost", []string{"reply"}, false, nil},
		{"request lost", []string{"request"}, false, nil},
		{"request lost twice, then the reply", []string{"request", "request", "reply"}, false, nil},
		{"conflict", nil, true, ErrConflict},
		{"conflict with its reply lost", []string{"reply"}, true, ErrConflict},
		{"conflict after a lost request", []string{"request"}, true, ErrConflict},
		{"nothing gets through", []string{"request", "request", "request", "request", "request"}, false, errLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			store := &lossy{}
			table := NewTable(store, "t")
			if err := table.Commit(ctx, 0, create("a")); err != nil {
				t.Fatal(err)
			}
			if c.other {
				if err := NewTable(store, "t").Commit(ctx, 1, add("theirs", "theirs")); err != nil {
					t.Fatal(err)
				}
			}
			store.lose = c.lose
			if err := table.Commit(ctx, 1, add("ours", "ours")); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
				t.Fatalf("commit: %v, want %v", err, c.want)
			}
			store.lose = nil
			st, err := NewTable(store, "t").At(ctx, -1)
			if err != nil {
				t.Fatal(err)
			}
			_, ours := st.Files["ours"]
			if ours != (c.want == nil) {
				t.Errorf("our file is in the table: %v, but commit said %v", ours, c.want)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name    string
		actions string
		want    string
	}{
		{"higher reader", `{"protocol":{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"]}}`, "deletionVectors"},
		{"reader version", `{"protocol":{"minReaderVersion":2,"minWriterVersion":5}}`, "reader version 2"},
		{"no metadata", `{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}`, "not a Delta table"},
		{"not json", `{"protocol":`, "line 1"},
		{"escape", `{"add":{"path":"../../etc/passwd"}}`, "not inside"},
		{"encoded escape", `{"add":{"path":"%2e%2e/x"}}`, "not inside"},
		{"absolute", `{"add":{"path":"/etc/passwd"}}`, "not inside"},
		{"url", `{"add":{"path":"s3://other/x"}}`, "not inside"},
		{"twice", "{\"add\":{\"path\":\"x\"}}\n{\"remove\":{\"path\":\"x\"}}", "twice"},
	} {
		store := &objects.Memory{}
		if _, err := store.Put(t.Context(), CommitKey("t", 0), []byte(c.actions), objects.Always()); err != nil {
			t.Fatal(err)
		}
		if _, err := NewTable(store, "t").Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want a refusal with %q", c.name, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, actions := range [][]Action{create("a"), add("b", "x.parquet")} {
		data, err := Encode(actions)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"cdc":{"path":"x"}}`))
	f.Add([]byte("{\"add\":{\"path\":\"%zz\"}}\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		actions, err := Decode(data)
		if err != nil {
			return
		}
		_ = NewState().Apply(0, actions) // must not panic
		again, err := Encode(actions)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(again); err != nil {
			t.Fatalf("what Encode wrote cannot be decoded: %v", err)
		}
	})
}
